"""Which files of a dataset DVC's cache holds, so that they can be had again when the folder is gone."""

import hashlib
from pathlib import Path

from transferline.commands import dvc


def not_in_cache(root: Path, folder: Path) -> list[Path]:
    """The files below `folder` whose content is not in DVC's cache, in the order of their paths.

    Args:
        root: the project's folder.
        folder: of a dataset; every file in it is read.

    Raises:
        TransferlineError: DVC does not name its cache.
    """
    cache = root / dvc(root, "cache", "dir").strip() / "files" / "md5"
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_cached(path, cache)]


def _is_cached(path: Path, cache: Path) -> bool:
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    return (cache / md5[:2] / md5[2:]).exists()
