"""Hashes of files."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_md5(path: Path) -> str:
    """The MD5 of a file, by which DVC names its content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
