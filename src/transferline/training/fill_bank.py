"""Fills the bank: the frozen part of the backbone runs once over every view."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.atomic_files import completed, write_json
from transferline.code_versions import stage_code
from transferline.compute import run_shards
from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable, write_table
from transferline.errors import TransferlineError
from transferline.params import Compute, Pretrained, Problem
from transferline.progress import say
from transferline.text import reason_of
from transferline.training.bank import INDEX_FILE, ROWS_FILE, SAMPLES_FILE, VIEWS_PER_SHARD, shard_file
from transferline.training.frozen_part import FrozenPart, frozen_arrays, frozen_part
from transferline.training.training_rows import KINDS, sample_paths

COPIES = 2  # of the bank: the bank itself and, where DVC cannot link files, the copy in DVC's cache


def bank_rows(views: ImageTable, candidate: Pretrained) -> ImageTable:
    """Returns the views of train and validation that `train_head` or `fine_tune` uses, with a flag for each use.

    The views that the bank stores come first. `in_images` are those that rungs after the first read as images.
    """
    rows = views.rows[views.rows["split"] != "test"]
    in_head = rows["kind"].isin(KINDS[candidate.extract.head_views])
    in_fine_tune = rows["kind"].isin(KINDS[candidate.extract.fine_tune_views]) & (candidate.fine_tune is not None)
    in_images = rows["kind"].isin(KINDS["augmented"]) & (len(candidate.backbone.boundaries) > 1)
    rows = rows.assign(in_head=in_head, in_fine_tune=in_fine_tune, in_images=in_images)
    is_stored = in_head | in_fine_tune
    return ImageTable(pd.concat([rows[is_stored], rows[in_images & ~is_stored]], ignore_index=True), views.classes)


def fingerprint(table: ImageTable, candidate: Pretrained) -> str:
    """Returns a hash of everything that determines the values of a bank. Shards with another hash are not reused."""
    settings = [candidate.image, candidate.backbone, candidate.extract, stage_code("extract", Path.cwd())]
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(pd.util.hash_pandas_object(table.rows).to_numpy().tobytes())
    return digest.hexdigest()


def extract(
    raw: Path,
    views: ImageTable,
    candidate: Pretrained,
    problem: Problem,
    folder: Path,
    compute: Compute | None = None,
    room: int | None = None,
    banks: Path | None = None,
) -> None:
    """Writes the bank of a candidate; complete shards of an interrupted call are kept.

    If the bank does not fit on the disk, the boundary is not stored, and if necessary the features are not either.
    `streamed_bank.open_bank` then computes them during training.

    Args:
        raw: the folder of the images.
        views: the table of views.
        candidate: the candidate.
        problem: the kind of problem.
        folder: of the bank.
        compute: where the shards are computed; by default in this process.
        room: the number of bytes that the bank may take; by default the free space on the disk of `folder`.
        banks: a folder with banks of other candidates; from a bank with the same values, the shards are copied.

    Raises:
        TransferlineError: the disk is full, or values do not fit into the bank's dtype. If this call converts the
            frozen layers, also if the candidate's layers do not fit the features.
    """
    table = bank_rows(views, candidate)
    key = fingerprint(table, candidate)
    part = _part(key, candidate.model_dump_json())
    if part.is_new:
        _check_layers(part, candidate, problem, len(views.classes))
    sizes = _sizes(part, table, candidate)
    stored = _fitting(sizes, folder, _room(folder) if room is None else room)
    state = {"fingerprint": key, "dtype": candidate.extract.dtype, "stored": stored}
    _keep_only(folder, state)
    views_stored = int((table.rows["in_head"] | table.rows["in_fine_tune"]).sum())
    edges = [*range(0, views_stored, VIEWS_PER_SHARD), views_stored]
    rows = [table.rows[start:end] for start, end in pairwise(edges)]
    try:
        copied = banks and not shard_file(folder, "features", 0).exists() and _take_over(folder, state, banks)
        todo = [item for item in enumerate(rows) if stored and not shard_file(folder, "features", item[0]).exists()]
        if stored and len(todo) < len(rows) and not copied:
            say(f"extract: {len(rows) - len(todo)} of {len(rows)} shards exist already")
        run_shards(partial(_fill, raw, folder, candidate, key, stored), todo, compute, "extract: shards")
        np.save(folder / SAMPLES_FILE, read_batch(raw, sample_paths(table), candidate.image))
        write_table(table, folder / ROWS_FILE)
    except OSError as error:
        raise TransferlineError(
            f"the bank could not be written to {folder}: {reason_of(error)}. Complete shards are kept: make room (the "
            f"bank takes about {sum(sizes.values()) / 1e9:.2f} GB) and run the stage again"
        ) from error
    index = state | {"features": part.features, "boundary": part.boundary if candidate.fine_tune else []}
    write_json(folder / INDEX_FILE, index)
    say(f"extract: {views_stored} views, {_used(folder) / 1e6:.1f} MB in {folder}")


def _check_layers(part: FrozenPart, candidate: Pretrained, problem: Problem, classes: int) -> None:
    """Builds the candidate's layers, so that layers that do not fit fail now and not after an hour.

    It is called only if Keras is loaded already, because the import takes longest. Else `train_head` finds the error.
    """
    from transferline.models.layers import build_layers

    build_layers(part.features, candidate.layers, problem, classes)


@lru_cache(maxsize=1)
def _part(key: str, candidate: str) -> FrozenPart:
    """Returns the frozen part, loaded once in each process; `key` is the bank's fingerprint, `candidate` is JSON."""
    return frozen_part(Pretrained.model_validate_json(candidate))


def _fill(
    raw: Path, folder: Path, candidate: Pretrained, key: str, stored: Sequence[str], item: tuple[int, pd.DataFrame]
) -> None:
    """Computes and writes one shard, unless it exists already because a worker failed after writing it."""
    shard, rows = item
    if not shard_file(folder, "features", shard).exists():
        arrays = frozen_arrays(_part(key, candidate.model_dump_json()), raw, rows, candidate)
        _write_shard(folder, shard, {kind: arrays[kind] for kind in stored})


def _sizes(part: FrozenPart, table: ImageTable, candidate: Pretrained) -> dict[str, int]:
    """Returns the number of bytes of the values of each kind."""
    kinds = {"features": ("in_head", part.features)}
    if candidate.fine_tune is not None:
        kinds |= {f"boundary-{k}": ("in_fine_tune", shape) for k, shape in enumerate(part.boundary)}
    item = np.dtype(candidate.extract.dtype).itemsize
    return {kind: int(table.rows[column].sum()) * int(np.prod(shape)) * item for kind, (column, shape) in kinds.items()}


def _fitting(sizes: dict[str, int], folder: Path, room: int) -> tuple[str, ...]:
    """Returns the kinds that fit: all of them, only the features, or none."""
    whole = COPIES * sum(sizes.values())
    if whole <= room:
        return tuple(sizes)
    stored = ("features",) if COPIES * sizes["features"] <= room else ()
    what, who = ("The boundary is", "fine_tune runs") if stored else ("Its values are", "train_head and fine_tune run")
    say(
        f"extract: the bank takes {whole / 1e9:.3g} GB in {folder} and DVC's cache, but only {room / 1e9:.3g} GB are "
        f"free. {what} not stored; {who} the frozen layers in every epoch, with the same result. To run them only "
        "once, make room and run the stage again"
    )
    return stored


def _room(folder: Path) -> int:
    """Returns the free bytes on the disk of a folder, plus those of its present files."""
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free + _used(folder)


def _used(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _keep_only(folder: Path, state: Mapping[str, object]) -> None:
    """Deletes the folder's files unless they belong to the same state, and marks the folder as incomplete."""
    if folder.exists() and not _is_of(folder, state):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / INDEX_FILE, state)


def _is_of(folder: Path, state: Mapping[str, object], is_whole: bool = False) -> bool:
    """Whether a folder holds a bank of that state. With `is_whole`, the bank must also be complete."""
    index = folder / INDEX_FILE
    present = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    same = {key: present.get(key) for key in state} == json.loads(json.dumps(state))
    return same and ("features" in present or not is_whole)


def _take_over(folder: Path, state: Mapping[str, object], banks: Path) -> bool:
    """Copies the shards of another complete bank of the same state, if there is one; returns whether it did."""
    for each in sorted(banks.iterdir()):
        if each != folder and _is_of(each, state, is_whole=True):
            say(f"extract: {each} holds the same values, which are copied")
            for source in sorted(each.glob("*-*.npy")):  # the features are copied last
                with completed(folder / source.name) as target:
                    shutil.copyfile(source, target)
            return True
    return False


def _write_shard(folder: Path, shard: int, arrays: dict[str, Array]) -> None:
    """Writes the arrays of a shard, `features` last: if that file exists, the shard is complete."""
    for kind in sorted(arrays):
        with completed(shard_file(folder, kind, shard)) as target, target.open("wb") as file:
            np.save(file, arrays[kind])
