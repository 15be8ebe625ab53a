"""Which images champions were tested on: none of them may ever be trained on.

Promotion keeps the sha256 of each test image in `data/tested_images.txt`, where `validate` looks. Git tracks the file,
so that it protects them in every clone; `.gitattributes` has Git merge the lines of two clones. It is no dependency of
the stage in DVC, or each promotion would run it again: an image can only move to train when the data or the split
changes, and then `validate` runs anyway.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError

TESTED_IMAGES = Path("data/tested_images.txt")
LINE = re.compile("([0-9a-f]{64}) ([0-9a-f]{12,64})")
DIGITS = 12  # of the test set's hash, which the ledger holds as a whole
FORMER_PLACE = Path("mlruns/test_sets")  # of the lists before Git tracked them: a file for each test set


def hash_of_test_set(images: Iterable[str]) -> str:
    """The sha256 of the list of a test set, from the sha256 of its images in any order."""
    return hashlib.sha256("".join(f"{image}\n" for image in sorted(set(images))).encode()).hexdigest()


def keep_test_set(root: Path, images: Iterable[str]) -> bool:
    """Adds those images of a test set, given by their sha256, that the file does not hold yet: each a line with the
    first digits of the test set's hash.

    Returns:
        Whether the file has changed.
    """
    images = set(images)
    path, known = root / TESTED_IMAGES, _read(root / TESTED_IMAGES)
    new = dict.fromkeys(images, hash_of_test_set(images)[:DIGITS]) | _of_former_place(root)
    lines = [f"{image} {test_set}\n" for image, test_set in sorted(new.items()) if image not in known]
    if not lines:
        return False
    before = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    write_text(path, "".join([*before, *lines]))
    return True


def former_test_images(root: Path) -> dict[str, str]:
    """The sha256 of every image that a champion was tested on, each with the hash of the first such test set.

    Raises:
        TransferlineError: a line of the file is not one that `keep_test_set` wrote.
    """
    return _of_former_place(root) | _read(root / TESTED_IMAGES)


def _read(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line.strip())
        if match is None and line.strip():
            raise TransferlineError(
                f"{TESTED_IMAGES}, line {number} is no entry: {line[:60]!r}. An entry is the sha256 of an image and "
                "the first digits of its test set's hash. After a merge keep the lines of both sides; else restore the "
                "file from Git"
            )
        if match:
            found.setdefault(match[1], match[2])
    return found


def _of_former_place(root: Path) -> dict[str, str]:
    files = sorted((root / FORMER_PLACE).glob("*.txt"))
    return {image: path.stem[:DIGITS] for path in files for image in path.read_text(encoding="utf-8").split()}
