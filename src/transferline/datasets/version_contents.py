"""What two versions of a dataset hold, read by the same layout: images with their labels, and other files."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from transferline.datasets.images import IMAGE_SUFFIXES
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.layouts.listing import HIDDEN
from transferline.datasets.versions import Cache, Files
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv, Layout, SplitClassFolders, Voc, load_params
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.text import first_of

DESCRIBING_SUFFIXES = (".csv", ".xml", ".txt")  # of the files that a layout reads labels from


@dataclass(frozen=True)
class VersionContents:
    """What a version holds.

    Attributes:
        files: all of its files.
        labels: of each image, as in `datasets/tables.py`; None where the layout gives it none.
        named: paths that a table or list names and that are not in the version.
        several: whether an image may have several labels.
        fault: why no labels could be read; "" if they could.
    """

    files: Files
    labels: Mapping[str, str | None]
    named: tuple[str, ...] = ()
    several: bool = False
    fault: str = ""

    @property
    def others(self) -> Files:
        """The files that are no images: tables, lists, masks, hidden files and so on."""
        return {path: md5 for path, md5 in self.files.items() if path not in self.labels}


@dataclass(frozen=True)
class Reader:
    """Reads versions of one dataset by one layout.

    Attributes:
        cache: where the tables and lists of versions lie that are not in the workspace.
        name: of the dataset.
        layout: None where none fits, or where labels stand in masks whose values `params.yaml` does not explain.
    """

    cache: Cache
    name: str
    layout: Layout | None

    def read(self, files: Files, folder: Path) -> VersionContents:
        """The contents of a version whose files lie in `folder`; images there may be empty files."""
        images = [path for path in files if _is_image(path)]
        if self.layout is None or not files:
            return VersionContents(files, dict.fromkeys(images))
        try:
            listing = list_dataset(folder, self.layout).files
        except TransferlineError as error:
            reason = str(error).replace(str(folder), f"data/raw/{self.name}")
            return VersionContents(files, dict.fromkeys(images), fault=reason)
        masks = has_masks(self.layout)
        labels = {
            path: None if masks or not isinstance(label, str) else label
            for path, label in zip(listing["path"], listing["label"], strict=True)
            if _is_image(path)
        }
        named = tuple(path for path in labels if path not in files)
        there = {path: label for path, label in labels.items() if path in files}
        return VersionContents(files, there, named, gives_several_labels(self.layout))

    def read_beside(self, files: Files, other: VersionContents) -> VersionContents:
        """The contents of a version that is not in the workspace, with those of another one at hand.

        In class folders the label follows from the path, so that only paths which the other version lacks are read.
        """
        if not self.labels_are_folders or other.fault:
            with version_folder(self.cache, files, self.layout) as folder:
                return self.read(files, folder)
        fresh = {path: md5 for path, md5 in files.items() if path not in other.files}
        with skeleton(fresh, {}, files) as folder:
            read = self.read(fresh, folder)
        known = {path: label for path, label in other.labels.items() if path in files}
        return VersionContents(files, {**known, **read.labels}, fault=read.fault)

    @property
    def labels_are_folders(self) -> bool:
        """Whether the folder that an image is in says its label."""
        return isinstance(self.layout, ClassFolders | SplitClassFolders)


def read_contents(
    cache: Cache, name: str, files: Files, workspace: Path | None = None
) -> tuple[Reader, VersionContents]:
    """The contents of a version, by the layout of `params.yaml` if that is about this dataset, else by the one that the
    files suggest; and what reads other versions in the same way.

    Args:
        cache: of the project.
        name: of the dataset.
        files: of the version.
        workspace: the folder that holds them; None if they are not in the workspace.

    Raises:
        TransferlineError: the params are faulty, or tables and lists with labels can neither be found nor fetched.
    """
    named = layout_in_params(cache.root, name)
    with nullcontext(workspace) if workspace else version_folder(cache, files, named) as folder:
        reader = Reader(cache, name, named or inspect_folder(folder).layout)
        return reader, reader.read(files, folder)


def read_both(
    cache: Cache, name: str, versions: tuple[Files, Files], workspace: Path | None
) -> tuple[VersionContents, VersionContents]:
    """The contents of an older and a newer version, read by the same layout (see `read_contents`); the files of the
    newer one are in `workspace` if that is given."""
    before, after = versions
    reader, newer = read_contents(cache, name, after, workspace)
    if reader.layout is None:  # the older one may have more class folders
        reader, older = read_contents(cache, name, before)
        return older, reader.read(after, workspace) if workspace else reader.read_beside(after, older)
    return reader.read_beside(before, newer), newer


def layout_in_params(root: Path, name: str) -> Layout | None:
    """The layout of `params.yaml` if that is about this dataset.

    Raises:
        TransferlineError: the params are faulty.
    """
    data = load_params(root / "params.yaml").data
    return data.layout if data.dataset == name else None


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMAGE_SUFFIXES) and not HIDDEN.search(path)


@contextmanager
def version_folder(cache: Cache, files: Files, layout: Layout | None) -> Iterator[Path]:
    """A folder that looks like a version of a dataset to what reads names and labels.

    Raises:
        TransferlineError: tables or lists with labels are not in the cache and cannot be fetched.
    """
    describing = {path: md5 for path, md5 in files.items() if path.lower().endswith(DESCRIBING_SUFFIXES)}
    if (layout is None or isinstance(layout, Csv | Voc)) and (why := cache.fetch(describing.values())):
        lacking = cache.missing(describing.values())
        names = [path for path, md5 in describing.items() if md5 in lacking]
        raise TransferlineError(
            f"{first_of(names, 1)}, which may hold labels of an earlier version, cannot be read: they are not in DVC's "
            f"cache and cannot be fetched: {why}"
        )
    contents = {path: content for path, md5 in describing.items() if (content := cache.find(md5))}
    with skeleton(files, contents) as folder:
        yield folder


@contextmanager
def skeleton(paths: Iterable[str], contents: Mapping[str, Path], folders_of: Iterable[str] = ()) -> Iterator[Path]:
    """A folder with the files `paths`, all of them empty but those whose content is named, and with the folders of the
    files `folders_of`."""
    with TemporaryDirectory(prefix="transferline-") as scratch:
        folder = Path(scratch).resolve()
        for parent in {(folder / path).parent for path in (*paths, *folders_of)}:
            parent.mkdir(parents=True, exist_ok=True)
        for path in paths:
            if path in contents:
                (folder / path).symlink_to(contents[path].resolve())
            else:
                (folder / path).touch()
        yield folder
