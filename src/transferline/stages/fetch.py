"""Stage `fetch`: downloads a public dataset to `data/raw`."""

from pathlib import Path

from transferline.datasets.sources import fetch_dataset, source_of
from transferline.datasets.versions import open_cache
from transferline.errors import TransferlineError
from transferline.hashes import file_md5
from transferline.params import Params
from transferline.text import first_of

SHOWN = 5


def run(params: Params, *, name: str, sources: Path, raw: Path, downloads: Path) -> None:
    """Fetches the dataset `name` of the file `sources` into the folder `raw`; `downloads` keeps downloaded files.

    Raises:
        TransferlineError: the dataset is not available, or `raw` holds other files, which would be lost.
    """
    source, cache = source_of(name, sources), open_cache(Path.cwd())
    files = sorted(path for path in raw.rglob("*") if path.is_file())
    if own := [path for path in files if cache.find(file_md5(path)) is None]:
        raise TransferlineError(
            f"{raw} is fetched as a whole, so these files would be lost: {first_of(own, SHOWN)}. A public dataset "
            "cannot be changed. Move the files to another folder, or make a new dataset from this folder with "
            f"`transferline data add {raw} --name NAME`"
        )
    fetch_dataset(source, raw, downloads)
