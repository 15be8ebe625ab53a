"""Stage fetch: brings a public dataset to `data/raw`."""

from pathlib import Path

from transferline.data.sources import fetch, source_of
from transferline.params import Params


def run(params: Params, *, name: str, sources: Path, raw: Path, downloads: Path) -> None:
    """Fetches the dataset `name` of the file `sources` into the folder `raw`; `downloads` keeps what was downloaded."""
    fetch(source_of(name, sources), raw, downloads)
