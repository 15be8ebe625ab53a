"""Corrects one image in `data/corrections/NAME.csv`: `transferline data relabel` and `transferline data exclude`."""

import csv
import difflib
import getpass
import io
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from transferline.atomic_files import completed
from transferline.datasets.checks.correction_file import (
    COLUMNS,
    SHA256,
    Correction,
    classes_of,
    read_corrections,
    read_label,
)
from transferline.datasets.file_names import is_image_file
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.layouts.listing import Listing
from transferline.datasets.layouts.table_paths import by_form, in_known_form
from transferline.datasets.own_datasets import corrections_file
from transferline.datasets.show import layout_of
from transferline.datasets.tables import SEPARATOR
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git
from transferline.hashes import file_sha256
from transferline.params import Layout, load_params
from transferline.params.layouts import has_masks
from transferline.paths import RAW
from transferline.text import reason_of

LOCK = Path(".transferline/corrections.lock")


@dataclass(frozen=True)
class Present:
    """The current label of an image (None for no label), and its corrections so far."""

    label: str | None
    is_left_out: bool
    never_test: bool


def correct(root: Path, name: str, path: tuple[Path, str], label: str | None, reason: str, never_test: bool) -> str:
    """Adds a correction of an image to the dataset's file of corrections. The image does not change.

    Args:
        root: the project's folder.
        name: the name of the dataset.
        path: the working directory and the typed path of the image, relative to that directory or to the dataset.
        label: the correct label; None leaves the image out.
        reason: the reason for the correction.
        never_test: whether to keep the image out of the test split. It stays out if an earlier correction says so.

    Returns:
        A message: what was written, and what to do next.

    Raises:
        TransferlineError: there is no such dataset, image or label, the reason is empty, there is nothing to correct,
            or the file of corrections is wrong. The file is then unchanged.
    """
    raw, file = root / RAW / name, root / corrections_file(name)
    layout = layout_of(raw, load_params(root / "params.yaml").data)
    listing = list_dataset(raw, layout)
    image, wanted = _read(raw, listing, layout, path, label, reason)
    (root / LOCK).parent.mkdir(exist_ok=True)
    with FileLock(root / LOCK):
        now = _present(file, raw, listing, layout, image)
        _require_change(now, image, wanted, never_test)
        row = Correction("", image, wanted, _who(root), _now(), reason.strip(), never_test or now.never_test)
        _append(file, row)
    return _said(file.relative_to(root), row, now, has_masks(layout))


def _read(
    raw: Path, listing: Listing, layout: Layout, path: tuple[Path, str], label: str | None, reason: str
) -> tuple[str, str | None]:
    """Returns an image's path in its dataset and its label from the typed values. It reports all faults at once."""
    image, wanted, faults = "", None, list[str]()
    try:
        image = _image(raw, listing, path)
    except ValueError as error:
        faults.append(str(error))
    try:
        wanted = None if label is None else read_label(label, classes_of(listing, layout), layout)
    except ValueError as error:
        faults.append(f"label {reason_of(error)}")
    if not reason.strip():
        faults.append("the reason is empty; give a reason, for those who read the correction later")
    if faults:
        raise TransferlineError("\n  ".join(faults))
    return image, wanted


def _image(raw: Path, listing: Listing, path: tuple[Path, str]) -> str:
    visible = [each for each in listing.files["path"] if is_image_file(raw, each)]
    typed = Path(path[1])
    seen_from_there = path[0] / typed
    candidates = [*_below(raw, seen_from_there), os.path.normpath(typed)]
    known = by_form(visible)
    for candidate in candidates:
        if (image := in_known_form(candidate, known)) and (raw / image).exists():
            return image
    near = difflib.get_close_matches(candidates[0], visible, 3)
    raise ValueError(
        f"{RAW / raw.name} has no image {candidates[0]}" + (f"; similar paths are {', '.join(near)}" if near else "")
    )


def _below(raw: Path, file: Path) -> Iterable[str]:
    """Yields the path of a file relative to the dataset's folder, also if a folder above it is a link.

    A link that is the file itself is not followed, because DVC can make every image a link.
    """
    for folder, inner in ((raw, Path(os.path.normpath(file))), (raw.resolve(), file.parent.resolve() / file.name)):
        if inner.is_relative_to(folder):
            yield inner.relative_to(folder).as_posix()


def _present(file: Path, raw: Path, listing: Listing, layout: Layout, image: str) -> Present:
    entries = read_corrections(file, listing, layout)
    by_content = any(SHA256.fullmatch(entry.image) for entry in entries)
    names = {image, file_sha256(raw / image)} if by_content else {image}
    holding = [entry for entry in entries if entry.image in names]
    if holding:
        return Present(holding[-1].label, holding[-1].label is None, holding[-1].never_test)
    label = listing.files.set_index("path")["label"][image]
    return Present(label if isinstance(label, str) else None, is_left_out=False, never_test=False)


def _require_change(now: Present, image: str, wanted: str | None, never_test: bool) -> None:
    if wanted is None and now.is_left_out:
        raise TransferlineError(f"{image} is left out already")
    if wanted is not None and wanted == now.label and (now.never_test or not never_test):
        never = ", and stays out of the test split" if now.never_test else ""
        raise TransferlineError(f"{image} has the label {_shown(wanted)} already{never}")


def _append(file: Path, row: Correction) -> None:
    """Adds a row to the file. Its existing bytes do not change."""
    text = file.read_bytes().decode("utf-8") if file.exists() else f"{','.join(COLUMNS)}\n"
    end = "\r\n" if "\r\n" in text else "\n"
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), skipinitialspace=True)
    header = next(cells for cells in rows if any(cell.strip() for cell in cells))
    values = {**asdict(row), "label": _written(row.label), "never_test": "yes" if row.never_test else ""}
    cells = [str(values[column.strip()]) for column in header]
    added = io.StringIO(newline="")
    if any(cell != cell.strip() for cell in cells):  # the reader drops blanks before a value without quotes
        csv.writer(added, lineterminator=end, quoting=csv.QUOTE_ALL).writerow(cells)
    else:
        csv.writer(added, lineterminator=end).writerow(cells)
    try:
        with completed(file) as partial:
            partial.write_bytes((text + ("" if text.endswith("\n") else end) + added.getvalue()).encode("utf-8"))
    except OSError as error:
        raise TransferlineError(f"{file} cannot be written: {error.strerror}; it is as before") from error


def _written(label: str | None) -> str:
    return "" if label is None else label or SEPARATOR


def _shown(label: str | None) -> str:
    return "no label" if label is None else label or "none of the classes"


def _who(root: Path) -> str:
    """Returns the user's name and address from Git, or else user and host."""
    name, email = (git(root, "config", "--default", "", f"user.{key}").strip() for key in ("name", "email"))
    return " ".join([name, *([f"<{email}>"] if email else [])]).strip() or f"{getpass.getuser()}@{platform.node()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _said(file: Path, row: Correction, before: Present, is_masked: bool) -> str:
    old = "left out" if before.is_left_out else _shown(before.label)
    what = f"{old} -> {'left out' if row.label is None else _shown(row.label)}"
    if is_masked:
        what = "left out"
    back = f"take its row out of {file}" if is_masked else "`transferline data relabel` with its label"
    return "\n".join(
        [
            f"{file}: {row.image}: {what}" + (", never in the test split" if row.never_test else ""),
            *([f"to take it in again: {back}"] if row.label is None else []),
            f"validate runs again, as `transferline status` shows; commit {file} to Git",
        ]
    )
