"""Hashes of files."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Returns the sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_md5(path: Path) -> str:
    """Returns the MD5 of a file, in hexadecimal digits. DVC identifies the content of a file by it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
