"""Stage fetch: brings a public dataset to `data/raw`."""

from pathlib import Path

from transferline.data.cached import not_in_cache
from transferline.data.sources import fetch, source_of
from transferline.errors import TransferlineError
from transferline.params import Params

NAMED = 5


def run(params: Params, *, name: str, sources: Path, raw: Path, downloads: Path) -> None:
    """Fetches the dataset `name` of the file `sources` into the folder `raw`; `downloads` keeps what was downloaded.

    Raises:
        TransferlineError: the dataset cannot be had, or `raw` holds files of somebody's own, which would be lost.
    """
    source = source_of(name, sources)
    if own := not_in_cache(Path.cwd(), raw):
        named = ", ".join(map(str, own[:NAMED])) + (f" and {len(own) - NAMED} more" if len(own) > NAMED else "")
        raise TransferlineError(
            f"{raw} is fetched as a whole, and these files would be lost: {named}. A public dataset cannot be changed: "
            f"move them elsewhere, or make the folder a dataset of yours with `transferline data add {raw} --name NAME`"
        )
    fetch(source, raw, downloads)
