"""The image files that a command line names."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from transferline.datasets.file_formats import IMAGE_SUFFIXES
from transferline.datasets.file_names import is_image_file
from transferline.errors import TransferlineError

MAGIC = set("*?[")


def find_images(sources: list[str]) -> list[Path]:
    """Returns the files that `sources` name: files, all images in and below folders, and all images that globs match.

    A folder that a glob matches counts with all images below it. In folders and globs, hidden files are left out. A
    file whose name is not that of an image is taken if its content starts as that of an image. `validate` decides in
    the same way.

    Raises:
        TransferlineError: a source names no file, or is not a path.
    """
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        try:
            matches = [path] if path.is_file() else sorted(_images_of(path))
        except (ValueError, OSError) as error:  # as for `a**.jpg`, and for a name that is too long
            raise TransferlineError(f"{source}: {getattr(error, 'strerror', None) or error}") from error
        if not matches and not path.exists() and not set(source) & MAGIC:
            raise TransferlineError(f"{source}: no such file or folder")
        if not matches:
            raise TransferlineError(f"{source}: no image found; usual suffixes are {' '.join(IMAGE_SUFFIXES)}")
        found.update(dict.fromkeys(matches))
    return list(found)


def _images_of(source: Path) -> Iterator[Path]:
    """Yields the images in a folder, or those that a glob matches."""
    below: Iterable[Path]
    if source.is_dir():
        top, below = source, source.rglob("*")
    else:
        plain = next((number for number, part in enumerate(source.parts) if set(part) & MAGIC), len(source.parts) - 1)
        top = Path(*source.parts[:plain])
        matches = top.glob(str(Path(*source.parts[plain:])))
        below = chain.from_iterable(match.rglob("*") if match.is_dir() else [match] for match in matches)
    for file in below:
        if file.is_file() and is_image_file(top, file.relative_to(top).as_posix()):
            yield file
