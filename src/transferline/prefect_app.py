"""Prefect's server as an ASGI app that is imported without garbage collection, which finds next to nothing there and is
a sixth of the import.
"""

import gc
from typing import Any

gc.disable()

from prefect.server.api.server import create_app  # noqa: E402


def create() -> Any:
    """The app; from now on garbage is collected, but not looked for in what was imported."""
    app = create_app()
    gc.freeze()
    gc.enable()
    return app
