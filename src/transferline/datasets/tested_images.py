"""Which images earlier champions were tested on: none of them may ever be trained on.

Promotion keeps the sha256 of each test image in `mlruns/test_sets/<sha256 of the list>.txt`, where `validate` looks.
That is no dependency of the stage in DVC, or each promotion would run it again: an image can only move to train when
the data or the split changes, and then `validate` runs anyway.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

TEST_SETS = Path("mlruns/test_sets")


def hash_of_test_set(images: Iterable[str]) -> str:
    """The sha256 of the list of a test set, from the sha256 of its images in any order."""
    return hashlib.sha256(_list(images).encode()).hexdigest()


def keep_test_set(root: Path, images: Iterable[str]) -> None:
    """Writes the list of a test set, from the sha256 of its images in any order."""
    images = list(images)
    path = root / TEST_SETS / f"{hash_of_test_set(images)}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(_list(images), encoding="utf-8")
    partial.replace(path)


def former_test_images(root: Path) -> dict[str, str]:
    """The sha256 of every image that a champion was tested on, each with the hash of such a test set."""
    files = sorted((root / TEST_SETS).glob("*.txt"))
    return {image: path.stem for path in files for image in path.read_text(encoding="utf-8").split()}


def _list(images: Iterable[str]) -> str:
    return "".join(f"{image}\n" for image in sorted(set(images)))
