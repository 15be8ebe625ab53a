"""Photographs for the tests that change datasets, in the project of `conftest.py`."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import run

RAW, FILE = Path("data/raw/colors"), Path("data/raw/colors.dvc")


def picture(file, seed):
    """Writes a picture of its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8)).save(file)


def snapshot(folder):
    """The content of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def commit(root):
    run("git", "add", "-A", cwd=root)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "change", cwd=root)


def nfiles(file):
    """How many files a `.dvc` file says that DVC recorded."""
    return int(re.search(r"nfiles: (\d+)", file.read_text())[1])
