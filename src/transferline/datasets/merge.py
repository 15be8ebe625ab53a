"""Adds photographs to a dataset that is there: `transferline data add SOURCE --into NAME`."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from transferline.datasets.add import bring
from transferline.datasets.change_files import change_files
from transferline.datasets.changes_by_hand import require_files
from transferline.datasets.dvc_add import files_below, listed, refuse_repositories
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.listing import HIDDEN
from transferline.datasets.own_datasets import require_own
from transferline.datasets.version_contents import DESCRIBING_SUFFIXES, Reader, VersionContents, read_contents, skeleton
from transferline.datasets.version_difference import Difference, compare_versions
from transferline.datasets.versions import Cache, Files, open_cache, recorded_files, workspace_files
from transferline.errors import TransferlineError
from transferline.hashes import file_md5
from transferline.paths import RAW
from transferline.progress import progress
from transferline.training_lock import held


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        difference: to the version before.
        by_hand: what a person had changed since that version, which is versioned too.
        same: number of paths that were there with the same content.
        elsewhere: paths that were not copied because the dataset has their content, each with the path that has it.
        contradictions: of those, in words, the ones whose label is not that of the image that is there.
    """

    difference: Difference
    by_hand: Difference
    same: int
    elsewhere: Mapping[str, str]
    contradictions: tuple[str, ...]

    def __str__(self) -> str:
        """In lines."""
        parts = [str(self.difference)] if self.difference else ["nothing new"]
        parts += [f"{self.same:,} already there"] if self.same else []
        parts += (
            [f"{len(self.elsewhere):,} already there as {listed(self.elsewhere.values())}"] if self.elsewhere else []
        )
        before = f"changed by hand since the last version, and versioned too: {self.by_hand}"
        return "\n".join([*[before] * bool(self.by_hand), "; ".join(parts), *self.contradictions])


def merge(source: str, name: str, root: Path, sha256: str | None, replace: bool) -> Merged:
    """Copies images into `data/raw/<name>`, which keeps what it has, and versions the result.

    A file whose path and content are there is left alone. In class folders an image whose content is there under
    another path is not copied a second time.

    Args:
        source: a folder, a zip or tar, or the URL of one, laid out like the dataset.
        name: of a dataset under `dvc add`.
        root: the project's folder.
        sha256: what the archive must have; a URL needs one.
        replace: whether files may take the place of others with the same path.

    Raises:
        TransferlineError: the dataset cannot be changed, the source cannot be had or does not fit, or a path is taken
            by other content; the dataset is as before.
    """
    with held(root, "transferline data add"):
        require_own(root, name)
        require_files(root, name)
        cache = open_cache(root)
        recorded = recorded_files(cache, name)
        before = workspace_files(root, name)
        with _incoming(source, name, root, sha256, before) as folder:
            fresh = _hashes(folder)
            return _merge(_Merge(cache, name, recorded, before, fresh), folder, replace)


@dataclass(frozen=True)
class _Merge:
    """The files of the last version, of the workspace, and of the source."""

    cache: Cache
    name: str
    recorded: Files
    before: Files
    fresh: Files

    @property
    def taken(self) -> list[str]:
        """Paths of the source that the dataset has with other content; it keeps its own hidden files."""
        return [path for path in self.different if path in self.before]

    @property
    def different(self) -> list[str]:
        """Paths of the source that the dataset has with other content or does not have."""
        fresh = [path for path, md5 in self.fresh.items() if self.before.get(path) != md5]
        return [path for path in fresh if path not in self.before or not HIDDEN.search(path)]


def _merge(work: _Merge, folder: Path, replace: bool) -> Merged:
    root, raw = work.cache.root, work.cache.root / RAW / work.name
    reader, present, labels = _read(work, raw)
    _require_fit(work, labels)
    _require_free(work, replace)
    recorded = reader.read_beside(work.recorded, present)
    unversioned = compare_versions(recorded, present)
    elsewhere = _elsewhere(work, labels)
    put = [path for path in work.different if path not in elsewhere]
    if put or unversioned:
        change_files(
            root, work.name, {path: folder / path for path in put}, [path for path in put if path in work.before]
        )
    after = reader.read({**work.before, **{path: work.fresh[path] for path in put}}, raw)
    contradictions = [
        f"{path} is there already as {there}, with another label ({labels[path]} in the source, {labels[there]} "
        "there): not copied; find out which is right"
        for path, there in elsewhere.items()
        if labels[path] != labels[there]
    ]
    same = len(work.fresh) - len(put) - len(elsewhere)
    return Merged(compare_versions(recorded, after), unversioned, same, elsewhere, tuple(contradictions))


@contextmanager
def _incoming(source: str, name: str, root: Path, sha256: str | None, before: Files) -> Iterator[Path]:
    """The files of the source, in a folder beside the dataset, from which they can be moved."""
    raw = root / RAW / name
    folder = raw.with_name(f".{name}.incoming")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        bring(source, folder, root, sha256, apart_from=raw, known={path.partition("/")[0] for path in before})
        refuse_repositories(files_below(folder), source)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hashes(folder: Path) -> Files:
    paths = files_below(folder)
    return {path: file_md5(folder / path) for path in progress(paths, len(paths), "comparing files")}


def _read(work: _Merge, raw: Path) -> tuple[Reader, VersionContents, Mapping[str, str | None]]:
    """What reads the dataset, what it holds now, and, where folders say it, the label of each image of the dataset and
    the source: nothing where a table, list or mask says it."""
    reader, present = read_contents(work.cache, work.name, work.before, raw)
    with skeleton(work.fresh, {}, work.before) as names:
        if reader.layout is None:  # it may have one class folder so far, and be about to get more
            reader = Reader(work.cache, work.name, inspect_folder(names).layout)
            present = reader.read(work.before, raw)
        if not reader.labels_are_folders:
            return reader, present, {}
        fresh = reader.read(work.fresh, names)
    if fault := fresh.fault or present.fault:
        raise TransferlineError(fault)
    return reader, present, {**present.labels, **fresh.labels}


def _require_fit(work: _Merge, labels: Mapping[str, str | None]) -> None:
    faults = []
    if unlabelled := [path for path in work.fresh if path in labels and labels[path] is None]:
        faults.append(
            f"{len(unlabelled):,} images are not in the folder of a class: {listed(unlabelled)}; give a folder or "
            "archive that is laid out like the dataset, with its class folders"
        )
    folders = {str(parent) for path in work.before for parent in PurePosixPath(path).parents}
    if files := [path for path in work.fresh if path in folders]:
        faults.append(f"files whose path is that of a folder of the dataset: {listed(files)}")
    if inside := [
        path for path in work.fresh if {str(each) for each in PurePosixPath(path).parents} & set(work.before)
    ]:
        faults.append(f"files in a folder whose path is that of a file of the dataset: {listed(inside)}")
    if faults:
        raise TransferlineError(
            "\n  ".join([f"the source does not fit {RAW / work.name}, which is as before:", *faults])
        )


def _require_free(work: _Merge, replace: bool) -> None:
    if not (taken := work.taken):
        return
    if not replace:
        tables = [path for path in taken if path.endswith(DESCRIBING_SUFFIXES)]
        hint = f"; {listed(tables)} must then name the images of both" if tables else ""
        raise TransferlineError(
            f"{RAW / work.name} has {len(taken):,} of these paths with other content: {listed(taken)}. Nothing was "
            f"changed; rename them in the source, or give --replace to put the source's files in their place{hint}"
        )
    lost = work.cache.missing(work.before[path] for path in taken)
    if unsaved := [path for path in taken if work.before[path] in lost]:
        raise TransferlineError(
            f"{listed(unsaved)}: DVC's cache does not hold what would be replaced; version it first with `dvc add "
            f"{RAW / work.name}`"
        )


def _elsewhere(work: _Merge, labels: Mapping[str, str | None]) -> dict[str, str]:
    """Images of the source whose path is free, with the path under which the dataset keeps their content."""
    keeps = {md5: path for path, md5 in work.before.items() if path in labels and work.fresh.get(path, md5) == md5}
    return {
        path: keeps[md5]
        for path, md5 in work.fresh.items()
        if path in labels and path not in work.before and md5 in keeps
    }
