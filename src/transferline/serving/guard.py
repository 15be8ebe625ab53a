"""A layer in front of MLflow's scoring server: it limits the size of bodies and removes tracebacks from errors."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_CHARACTERS = 2000  # of an error message; MLflow's messages repeat the body of the request


class Guard:
    """An ASGI layer around an application.

    Args:
        app: the application.
        most: the largest number of bytes of a body; a larger request gets the status 413.
    """

    def __init__(self, app: ASGIApp, most: int):
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection, as the ASGI specification describes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._body(Request(scope, receive))
        if body is None:
            message = f"the body is larger than {self._most / 2**20:g} MiB; send fewer or smaller images per request"
            await JSONResponse({"error_code": 413, "message": message}, 413)(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, _Cleaned(scope, receive, send))

    async def _body(self, request: Request) -> bytes | None:
        """Returns the body, or None if it is too large.

        A large body is read to its end too, because most clients send all of it before they read the response.
        """
        body, total = bytearray(), 0
        async for chunk in request.stream():
            total += len(chunk)
            body += chunk if total <= self._most else b""
        return bytes(body) if total <= self._most else None


class _Cleaned:
    """Passes on the responses of an application. Of an error response, it sends only code and message."""

    def __init__(self, scope: Scope, receive: Receive, send: Send):
        self._scope, self._receive, self._send = scope, receive, send
        self._status, self._body = 200, b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        if self._status < 400:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await JSONResponse(self._error(), self._status)(self._scope, self._receive, self._send)

    def _error(self) -> dict[str, Any]:
        text = self._body.decode(errors="replace")
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            found = {"message": text}
        message = str(found.get("message") or found.get("detail"))
        return {"error_code": found.get("error_code", self._status), "message": message[:MOST_CHARACTERS]}
