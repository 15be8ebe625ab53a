"""The endpoint as an ASGI application, with the paths of MLflow's scoring server and `/model`."""

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from transferline.errors import TransferlineError
from transferline.serving.bodies import Bodies, Refusal
from transferline.serving.inputs import read_request
from transferline.serving.served_model import ServedModel

REQUESTS_AT_ONCE = 16  # whose images are in memory; the others wait as bodies
MOST_CHARACTERS = 2000  # of an error message
STATUS_OF_A_CLIENT_THAT_LEFT = 499


def application(served: ServedModel, name: str, alias: str, most_bytes: int) -> Starlette:
    """Returns the endpoint.

    A bad request gets a status from 400 to 499 and a message; only a model that fails gets 500.

    Args:
        served: predicts.
        name: of the registered model.
        alias: the alias or version that is served.
        most_bytes: the largest body of a request.
    """
    bodies, places = Bodies(most_bytes), asyncio.Semaphore(REQUESTS_AT_ONCE)
    # few threads read, because the memory of an image stays with the thread that has decoded it
    readers, predictors = ThreadPoolExecutor(os.cpu_count()), ThreadPoolExecutor(REQUESTS_AT_ONCE)

    async def invocations(request: Request) -> Response:
        run, content_type = asyncio.get_running_loop().run_in_executor, request.headers.get("content-type")
        async with bodies.read(request) as body, places:
            if encoding := request.headers.get("content-encoding"):
                raise Refusal(415, f"the header Content-Encoding is {encoding}; send the body without it")
            loaded = served.loaded
            card = loaded.card
            images = await run(readers, read_request, body, content_type, card.image, card.max_pixels)
            return JSONResponse({"predictions": await run(predictors, loaded.answer, images)})

    async def model(request: Request) -> Response:
        loaded = served.loaded
        card = loaded.card.model_dump(mode="json")
        return JSONResponse({"name": name, "alias": alias, "version": loaded.version, "sha256": loaded.sha256, **card})

    async def ping(request: Request) -> Response:
        return Response("\n", media_type="application/json")

    async def version_of_mlflow(request: Request) -> Response:
        return Response(version("mlflow"), media_type="application/json")

    routes = [Route("/invocations", invocations, methods=["POST"])]
    gets = {"/model": model, "/ping": ping, "/health": ping, "/version": version_of_mlflow}
    routes += [Route(path, function, methods=["GET"]) for path, function in gets.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused, Exception: _failed} | _OURS)


async def _refused(request: Request, error: Any) -> Response:
    return _error(error.status_code, str(error.detail), error.headers)


async def _bad_request(request: Request, error: Exception) -> Response:
    return _error(error.status if isinstance(error, Refusal) else 400, str(error))


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=STATUS_OF_A_CLIENT_THAT_LEFT)


async def _failed(request: Request, error: Exception) -> Response:
    return _error(500, "the model failed; the server has printed the error")


_OURS: dict[Any, Any] = {TransferlineError: _bad_request, ClientDisconnect: _left}


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    printable = message.encode("utf-8", "backslashreplace").decode()[:MOST_CHARACTERS]
    # the body may not have been read to its end
    closing = {"Connection": "close"} if status in (408, 413, 503) else {}
    return JSONResponse({"error_code": status, "message": printable}, status, {**(headers or {}), **closing})
