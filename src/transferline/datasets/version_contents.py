"""Reads the contents of versions of a dataset with the same layout: images with their labels, and other files."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from transferline.datasets.file_names import is_image, is_image_file
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.versions import Cache, Files
from transferline.errors import TransferlineError
from transferline.params import ClassFolders, Csv, Layout, SplitClassFolders, Voc, load_params
from transferline.params.layouts import gives_several_labels, has_masks
from transferline.text import first_of

DESCRIBING_SUFFIXES = (".csv", ".tsv", ".xml", ".txt")  # of files from which a layout reads labels


@dataclass(frozen=True)
class VersionContents:
    """The contents of a version.

    Attributes:
        files: all files.
        labels: the label of each image, as in `datasets/tables.py`; None if the layout gives the image no label.
        named: paths that a table or list names, but that are not in the version.
        several: whether an image can have several labels.
        fault: why no labels could be read; "" if they could be read.
    """

    files: Files
    labels: Mapping[str, str | None]
    named: tuple[str, ...] = ()
    several: bool = False
    fault: str = ""

    @property
    def others(self) -> Files:
        """The files that are not images: tables, lists, hidden files and so on."""
        return {path: md5 for path, md5 in self.files.items() if path not in self.labels}


@dataclass(frozen=True)
class Reader:
    """Reads versions of one dataset with one layout.

    Attributes:
        cache: DVC's cache, which contains the tables and lists of versions that are not in the workspace.
        name: the name of the dataset.
        layout: the layout; None if no layout fits.
    """

    cache: Cache
    name: str
    layout: Layout | None

    def read(self, files: Files, folder: Path) -> VersionContents:
        """Reads the contents of a version whose files are in `folder`.

        Files there can be empty, except those from which a layout reads labels. An image whose suffix is not one of
        images must not be empty; else it counts as another file.
        """
        images = [path for path in files if is_image_file(folder, path)]
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
            if is_image_file(folder, path)
        }
        named = tuple(path for path in labels if path not in files)
        there = {path: label for path, label in labels.items() if path in files}
        return VersionContents(files, there, named, gives_several_labels(self.layout))

    def read_beside(self, files: Files, other: VersionContents) -> VersionContents:
        """Reads the contents of a version that is not in the workspace, with the help of another version's contents.

        With class folders the label follows from the path, so only paths that the other version lacks are read.
        """
        if not self.labels_are_folders or other.fault:
            with version_folder(self.cache, files, self.layout) as folder:
                return self.read(files, folder)
        fresh = {path: md5 for path, md5 in files.items() if path not in other.files}
        with skeleton(fresh, _unclear_in_cache(self.cache, fresh), files) as folder:
            read = self.read(fresh, folder)
        known = {path: label for path, label in other.labels.items() if path in files}
        return VersionContents(files, {**known, **read.labels}, fault=read.fault)

    @property
    def labels_are_folders(self) -> bool:
        """Whether the label of an image is the name of its folder."""
        return isinstance(self.layout, ClassFolders | SplitClassFolders)


def read_contents(
    cache: Cache, name: str, files: Files, workspace: Path | None = None
) -> tuple[Reader, VersionContents]:
    """Reads the contents of a version; returns them with a reader for other versions of the dataset.

    The layout is that of `params.yaml` if it names this dataset, else a proposal from the version's files.

    Args:
        cache: the project's cache.
        name: the name of the dataset.
        files: the files of the version.
        workspace: the folder with these files; None if they are not in the workspace.

    Raises:
        TransferlineError: the params are faulty, or tables and lists with labels are missing and cannot be fetched.
    """
    named = layout_in_params(cache.root, name)
    with nullcontext(workspace) if workspace else version_folder(cache, files, named) as folder:
        reader = Reader(cache, name, named or inspect_folder(folder).layout)
        return reader, reader.read(files, folder)


def read_both(
    cache: Cache, name: str, versions: tuple[Files, Files], workspace: Path | None
) -> tuple[VersionContents, VersionContents]:
    """Reads the contents of an older and a newer version with the same layout (see `read_contents`).

    If `workspace` is given, it contains the files of the newer version.
    """
    before, after = versions
    reader, newer = read_contents(cache, name, after, workspace)
    if reader.layout is None:  # perhaps the older version has more class folders
        reader, older = read_contents(cache, name, before)
        return older, reader.read(after, workspace) if workspace else reader.read_beside(after, older)
    return reader.read_beside(before, newer), newer


def layout_in_params(root: Path, name: str) -> Layout | None:
    """Returns the layout of `params.yaml` if that names this dataset, else None.

    Raises:
        TransferlineError: the params are faulty.
    """
    data = load_params(root / "params.yaml").data
    return data.layout if data.dataset == name else None


@contextmanager
def version_folder(cache: Cache, files: Files, layout: Layout | None) -> Iterator[Path]:
    """Yields a folder with the files of a version; tables and lists of labels, and unclear files have content.

    Raises:
        TransferlineError: tables or lists with labels are not in the cache and cannot be fetched.
    """
    describing = {path: md5 for path, md5 in files.items() if path.lower().endswith(DESCRIBING_SUFFIXES)}
    if (layout is None or isinstance(layout, Csv | Voc)) and (why := cache.fetch(describing.values())):
        lacking = cache.missing(describing.values())
        names = [path for path, md5 in describing.items() if md5 in lacking]
        raise TransferlineError(
            f"{first_of(names, 1)}, which may hold labels of an earlier version, cannot be read: not in DVC's "
            f"cache, and cannot be fetched: {why}"
        )
    contents = {path: content for path, md5 in describing.items() if (content := cache.find(md5))}
    with skeleton(files, contents | _unclear_in_cache(cache, files)) as folder:
        yield folder


def is_unclear(path: str) -> bool:
    """Returns whether only the content of a file tells if it is an image: its suffix does not."""
    return not is_image(path) and not path.lower().endswith(DESCRIBING_SUFFIXES)


def _unclear_in_cache(cache: Cache, files: Files) -> dict[str, Path]:
    """Returns those of the unclear files that DVC's cache has."""
    return {path: content for path, md5 in files.items() if is_unclear(path) and (content := cache.find(md5))}


@contextmanager
def skeleton(paths: Iterable[str], contents: Mapping[str, Path], folders_of: Iterable[str] = ()) -> Iterator[Path]:
    """Yields a folder with the files `paths` and the folders of the files `folders_of`.

    A file is empty unless `contents` names a file with its content.
    """
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
