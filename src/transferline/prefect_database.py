"""The database that Prefect begins with in a project: `python -m transferline.prefect_database` makes it for this
environment, once. Left to itself, Prefect migrates an empty one in each project: 13 s of CPU.
"""

import os
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

NAME = "prefect.db"
ELSEWHERE = ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")


def template() -> Path:
    """The environment's; it is there once it has been made."""
    return Path(sys.prefix) / "share" / "transferline" / f"prefect-{version('prefect')}.db"


def begin(home: Path) -> None:
    """Gives `home` a copy of the environment's database, if there is one and `home` has none.

    Args:
        home: what PREFECT_HOME is to name. Where the database is configured to be elsewhere, nothing is done.
    """
    if (home / NAME).exists() or any(name in os.environ for name in ELSEWHERE):
        return
    with suppress(OSError):  # without it Prefect makes its own
        content = template().read_bytes()
        home.mkdir(0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home) as file:
            file.write(content)
            file.flush()
            Path(home / NAME).hardlink_to(file.name)  # whole or not at all, and never over another one


def main() -> None:
    """Has Prefect's server start in an empty folder, and keeps the database that it has made there."""
    from transferline import environment
    from transferline.ui import embedded_server

    if template().exists():
        return
    for name in (*ELSEWHERE, "PREFECT_API_URL"):
        os.environ.pop(name, None)
    template().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template().parent) as folder:
        os.environ["PREFECT_HOME"] = folder
        environment.prepare(Path(folder))
        with embedded_server(Path(folder)) as server:
            if server:
                server()
        whole = Path(folder) / "whole.db"
        with closing(sqlite3.connect(Path(folder) / NAME)) as made, closing(sqlite3.connect(whole)) as copy:
            made.backup(copy)
        whole.replace(template())


if __name__ == "__main__":
    main()
