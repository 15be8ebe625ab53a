"""What the name of a file tells: whether it is hidden, and whether it is an image. All commands use these rules."""

import re
from pathlib import Path, PurePosixPath

from transferline.datasets.file_formats import FORMAT_OF_SUFFIX, HEAD, recognize

# Names of files and folders that systems and programs make beside the files of a person: macOS, Windows, NAS devices
# (Synology, QNAP), file systems, Python, editors and office programs.
HIDDEN = re.compile(
    r"(?:^|/)(?:\..*?|__MACOSX|Icon\r|Network Trash Folder|Temporary Items"
    r"|Thumbs\.db(?::encryptable)?|ehthumbs(?:_vista)?\.db|desktop\.ini|Picasa\.ini|ZbThumbnail\.info"
    r"|\$RECYCLE\.BIN|RECYCLER|System Volume Information|[^/]*:Zone\.Identifier"
    r"|@eaDir|[^/]*@Syno(?:EAStream|Resource)|#recycle|#snapshot|@Recycle|@Recently-Snapshot|@__thumb|@tmp"
    r"|lost\+found|__pycache__|~\$[^/]*|[^/]*~|#[^/]*#)(?=/|$)",
    re.IGNORECASE,
)


def is_hidden(path: str | PurePosixPath) -> bool:
    """Returns whether a path relative to a dataset's folder is hidden, or lies in a hidden folder."""
    return HIDDEN.search(str(path)) is not None


def has_image_suffix(path: str) -> bool:
    """Returns whether the suffix of a path is one of images, in any case."""
    return PurePosixPath(path).suffix.lower() in FORMAT_OF_SUFFIX


def is_image(path: str) -> bool:
    """Returns whether a path relative to a dataset's folder is that of an image, by its name alone."""
    return has_image_suffix(path) and not is_hidden(path)


def is_image_file(folder: Path, path: str) -> bool:
    """Returns whether the file `folder / path` is an image: by its name, or else by the first bytes of its content."""
    return is_image(path) or (not is_hidden(path) and _starts_as_image(folder / path))


def _starts_as_image(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            found = recognize(opened.read(HEAD), file.name)
    except OSError:
        return False
    return found is not None and bool(found.suffixes)
