"""Stage code: writes what the other stages' code and libraries are."""

from pathlib import Path

from transferline.code_versions import write_code_versions
from transferline.params import Params


def run(params: Params) -> None:
    """Brings `code.json` up to date."""
    write_code_versions(Path.cwd())
