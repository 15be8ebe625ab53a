"""The image files that a command line names."""

from pathlib import Path

from transferline.datasets.file_formats import IMAGE_SUFFIXES
from transferline.errors import TransferlineError


def find_images(sources: list[str]) -> list[Path]:
    """Returns the files that `sources` name: files, all images in and below folders, and all images that globs match.

    Raises:
        TransferlineError: a source names no file.
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
            raise TransferlineError(f"{source}: no image found; allowed suffixes are {' '.join(IMAGE_SUFFIXES)}")
        found.update(dict.fromkeys(matches))
    return list(found)
