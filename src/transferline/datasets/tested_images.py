"""The images on which champions were tested. They must never be trained on.

Promotion writes the sha256 of each test image to `data/tested_images.txt`, and `validate` reads it. Git tracks the
file, so that every clone has it; with `.gitattributes`, Git merges the lines of two clones. The file is not a DVC
dependency of `validate`, because then each promotion would rerun that stage. An image can only move to train or
validation when the data or the split changes, and then `validate` runs again. `transferline run` does not take its
results from DVC's cache of runs, because an earlier run did not know later tests. Validation may have such images
(column `tested` of the manifest), because it absorbs the difference when a dataset grows; a `refit` leaves them out.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError

TESTED_IMAGES = Path("data/tested_images.txt")
LINE = re.compile("([0-9a-f]{64}) ([0-9a-f]{12,64})")
DIGITS = 12  # digits of the test set's hash per line; the ledger holds the whole hash
FORMER_PLACE = Path("mlruns/test_sets")  # older projects have one list here for each test set


def hash_of_test_set(images: Iterable[str]) -> str:
    """Returns the hash of a test set: a sha256 over the sorted sha256 of its images."""
    return hashlib.sha256("".join(f"{image}\n" for image in sorted(set(images))).encode()).hexdigest()


def keep_test_set(root: Path, images: Iterable[str]) -> bool:
    """Adds the images of a test set to the file, each as a line with its sha256 and the start of the test set's hash.

    Images that the file already contains are skipped.

    Args:
        root: the project's folder.
        images: the sha256 of each image.

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
    """Returns the sha256 of every image on which a champion was tested, with the start of its first test set's hash.

    Raises:
        TransferlineError: a line of the file does not have the format of `keep_test_set`.
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
                "the first digits of its test set's hash. After a merge keep the lines of both sides; otherwise "
                "restore the file from Git"
            )
        if match:
            found.setdefault(match[1], match[2])
    return found


def _of_former_place(root: Path) -> dict[str, str]:
    files = sorted((root / FORMER_PLACE).glob("*.txt"))
    return {image: path.stem[:DIGITS] for path in files for image in path.read_text(encoding="utf-8").split()}
