"""Reads the bodies of requests within limits on bytes and seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from transferline.errors import TransferlineError

BODIES_AT_ONCE = 8  # bodies of the largest size that fit in memory at the same time
SECONDS_FOR_A_BODY = 60.0


class Refusal(TransferlineError):
    """An error for the client, with the HTTP status of the response."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Bodies:
    """The bodies that are in memory.

    Args:
        most: the largest number of bytes of one body. All bodies together have at most `BODIES_AT_ONCE` times as many.
    """

    def __init__(self, most: int):
        self._most, self._held = most, 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """Yields the body of a request, which counts as in memory during the block.

        A body that is refused is read to its end too: most clients send all of it before they read the response.

        Raises:
            Refusal: the body is too large or too slow, or others fill the memory.
            starlette.requests.ClientDisconnect: the client has closed the connection.
        """
        body = bytearray()
        try:
            await self._fill(body, request)
            yield body
        finally:
            self._held -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        refusal = None
        try:
            async with asyncio.timeout(SECONDS_FOR_A_BODY):
                async for chunk in request.stream():
                    refusal = refusal or self._refusal(len(body), len(chunk))
                    if refusal:
                        self._held -= len(body)
                        body.clear()
                    else:
                        self._held += len(chunk)
                        body += chunk
        except TimeoutError as error:
            raise Refusal(408, f"the body did not arrive within {SECONDS_FOR_A_BODY:g} seconds") from error
        if refusal:
            raise refusal

    def _refusal(self, present: int, more: int) -> Refusal | None:
        if present + more > self._most:
            size = f"{self._most / 2**20:g} MiB"
            return Refusal(413, f"the body is larger than {size}; send fewer or smaller images per request")
        if self._held + more > BODIES_AT_ONCE * self._most:
            return Refusal(503, "other requests fill the memory of the server; send the request again later")
        return None
