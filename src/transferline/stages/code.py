"""Stage `code`: writes hashes of the other stages' code and the versions of their libraries."""

from pathlib import Path

from transferline.code_versions import write_code_versions
from transferline.params import Params


def run(params: Params) -> None:
    """Writes `code.json`."""
    write_code_versions(Path.cwd())
