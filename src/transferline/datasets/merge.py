"""Adds images to an existing dataset: `transferline data add SOURCE --into NAME`."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from transferline.datasets.add import bring, open_source
from transferline.datasets.change_files import change_files, held_for_change
from transferline.datasets.changes_by_hand import require_files
from transferline.datasets.dvc_add import files_below, listed
from transferline.datasets.file_names import is_hidden
from transferline.datasets.forgotten_checkout import refuse_forgotten_checkout
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.own_datasets import require_own
from transferline.datasets.version_contents import (
    DESCRIBING_SUFFIXES,
    Reader,
    VersionContents,
    is_unclear,
    read_contents,
    skeleton,
)
from transferline.datasets.version_difference import Difference, compare_versions
from transferline.datasets.versions import Cache, Files, open_cache, recorded_files, workspace_files
from transferline.errors import TransferlineError
from transferline.hashes import file_md5
from transferline.paths import RAW
from transferline.progress import progress


@dataclass(frozen=True)
class Merged:
    """The result of a merge.

    Attributes:
        difference: the difference to the version before.
        by_hand: the changes that a person made since that version; they are versioned too.
        same: the number of paths that already existed with the same content.
        elsewhere: paths that were not copied because the dataset has the same content, each with the existing path.
        contradictions: messages about paths in `elsewhere` whose label differs from that of the existing image.
    """

    difference: Difference
    by_hand: Difference
    same: int
    elsewhere: Mapping[str, str]
    contradictions: tuple[str, ...]

    def __str__(self) -> str:
        """Returns the result as lines."""
        parts = [str(self.difference)] if self.difference else ["nothing new"]
        parts += [f"{self.same:,} already there"] if self.same else []
        parts += (
            [f"{len(self.elsewhere):,} already there as {listed(self.elsewhere.values())}"] if self.elsewhere else []
        )
        before = f"changed by hand since the last version, and versioned too: {self.by_hand}"
        return "\n".join([*[before] * bool(self.by_hand), "; ".join(parts), *self.contradictions])


def merge(source: str, name: str, root: Path, sha256: str | None, replace: bool) -> Merged:
    """Copies images into `data/raw/<name>`, keeps the existing files, and versions the result.

    A file whose path exists with the same content is skipped. In class folders, an image whose content exists under
    another path is not copied again.

    Args:
        source: a folder, a zip or tar, or the URL of one, with the layout of the dataset.
        name: the name of a dataset under `dvc add`.
        root: the project's folder.
        sha256: the sha256 that the archive must have; required for a URL.
        replace: whether files may replace existing files with the same path.

    Raises:
        TransferlineError: the dataset cannot be changed, the source cannot be read or does not fit, or a path exists
            with other content. The dataset is then unchanged.
    """
    with held_for_change(root, "transferline data add"):
        require_own(root, name)
        require_files(root, name)
        cache = open_cache(root)
        recorded = recorded_files(cache, name)
        before = workspace_files(root, name)
        refuse_forgotten_checkout(root, name)
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
        """Paths of the source that exist in the dataset with other content, without hidden files."""
        return [path for path in self.different if path in self.before]

    @property
    def different(self) -> list[str]:
        """Paths of the source that the dataset lacks or has with other content. Existing hidden files are left out."""
        fresh = [path for path, md5 in self.fresh.items() if self.before.get(path) != md5]
        return [path for path in fresh if path not in self.before or not is_hidden(path)]


def _merge(work: _Merge, folder: Path, replace: bool) -> Merged:
    root, raw = work.cache.root, work.cache.root / RAW / work.name
    reader, present, labels = _read(work, raw, folder)
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
        "there): not copied; check which label is right"
        for path, there in elsewhere.items()
        if labels[path] != labels[there]
    ]
    same = len(work.fresh) - len(put) - len(elsewhere)
    return Merged(compare_versions(recorded, after), unversioned, same, elsewhere, tuple(contradictions))


@contextmanager
def _incoming(source: str, name: str, root: Path, sha256: str | None, before: Files) -> Iterator[Path]:
    """Yields a folder with the files of the source, next to the dataset, so that they can be moved into it."""
    raw = root / RAW / name
    folder = raw.with_name(f".{name}.incoming")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        known = {path.partition("/")[0] for path in before}
        bring(open_source(source, sha256, raw, known), source, folder, root, known)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hashes(folder: Path) -> Files:
    paths = files_below(folder)
    return {path: file_md5(folder / path) for path in progress(paths, len(paths), "comparing files")}


def _read(work: _Merge, raw: Path, folder: Path) -> tuple[Reader, VersionContents, Mapping[str, str | None]]:
    """Returns a reader of the dataset, its current contents, and the labels of all images of dataset and source.

    The labels are empty unless the layout has class folders. `folder` has the files of the source.
    """
    unclear = {path: folder / path for path in work.fresh if is_unclear(path)}
    reader, present = read_contents(work.cache, work.name, work.before, raw)
    with skeleton(work.fresh, unclear, work.before) as names:
        if reader.layout is None:  # perhaps the dataset has one class folder, and the source adds another
            known = {path: raw / path for path in work.before if is_unclear(path)}
            with skeleton({**work.before, **work.fresh}, known | unclear) as both:
                reader = Reader(work.cache, work.name, inspect_folder(both).layout)
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
            "archive with class folders, like the dataset"
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
            "\n  ".join([f"the source does not fit {RAW / work.name}, which is unchanged:", *faults])
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
            f"{listed(unsaved)}: DVC's cache does not hold the files that would be replaced; version them first with "
            f"`dvc add {RAW / work.name}`"
        )


def _elsewhere(work: _Merge, labels: Mapping[str, str | None]) -> dict[str, str]:
    """Returns new paths of the source whose content the dataset already has, each with the existing path."""
    keeps = {md5: path for path, md5 in work.before.items() if path in labels and work.fresh.get(path, md5) == md5}
    return {
        path: keeps[md5]
        for path, md5 in work.fresh.items()
        if path in labels and path not in work.before and md5 in keeps
    }
