"""The image files that a command line names."""

from pathlib import Path

from transferline.datasets.images import IMAGE_SUFFIXES
from transferline.errors import TransferlineError


def find_images(sources: list[str]) -> list[Path]:
    """The files that `sources` name: a file as it is, of a folder (and below) and of a glob the images.

    Raises:
        TransferlineError: a source names nothing.
    """
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if path.is_file():
            matches = [path]
        else:
            below = path.rglob("*") if path.is_dir() else Path(path.anchor).glob(str(path.relative_to(path.anchor)))
            files = sorted(below)
            matches = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
        if not matches and not path.exists() and not set(source) & set("*?["):
            raise TransferlineError(f"{source}: no such file or folder")
        if not matches:
            raise TransferlineError(f"{source}: no image there; looked for {' '.join(IMAGE_SUFFIXES)}")
        found.update(dict.fromkeys(matches))
    return list(found)
