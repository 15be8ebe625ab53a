"""Unpacks zip and tar files from unknown sources safely."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath, PureWindowsPath
from shutil import copyfileobj
from typing import IO, Any, cast

from transferline.errors import TransferlineError
from transferline.progress import progress
from transferline.text import reason_of

MAX_BYTES = 200 * 2**30  # unpacked
MAX_ENTRIES = 2_000_000
MAX_RATIO = 200  # unpacked bytes divided by bytes of the archive; photographs hardly compress at all
RATIO_COUNTS_FROM = 64 * 2**20  # up to this number of unpacked bytes, any ratio is allowed

PIECE = 2**20
UTF_8 = 0x800  # a flag of an entry in a zip: its name is UTF-8
MOST_AT_ONCE = 2**24  # bytes of a header of a tar, with its long names
UNPACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
# RuntimeError: the file is encrypted, or zipfile does not know its compression.
UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class ArchiveEntry:
    """A file of an archive, or a folder if `open` is None. `size` is the largest number of bytes that `open` yields."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes] | None] | None


def unpack(archive: Path, target: Path, subfolder: str | None) -> None:
    """Unpacks a zip or tar (plain, gz, bz2, xz) into `target`, or only the content of `subfolder`, without that prefix.

    All entries are checked before the first one is written. Names, contents and empty folders are kept; permissions,
    owners and times are not.

    Raises:
        TransferlineError: the file is not an archive, is damaged or encrypted, or has no files in `subfolder`; or it
            contains a path outside of itself, a link, a device, a path twice, or more than the limits above allow.
    """
    try:
        with _opened(archive) as opened:
            entries = _inside(list(_within_limits(_entries(opened), archive)), PurePosixPath(subfolder or ""))
            for entry in progress(entries, len(entries), f"unpacking {archive.name}"):
                _write(entry, target)
    except UNREADABLE as error:
        raise TransferlineError(f"{archive} cannot be unpacked: {reason_of(error)}") from error


class _LimitedStream(io.RawIOBase):
    """The unpacked bytes of a tar, within the limits.

    `tarfile` reads a header in one piece, however large it says that it is, and does not count headers as files.
    """

    def __init__(self, archive: Path) -> None:
        super().__init__()
        with archive.open("rb") as file:
            start = file.read(6)
        unpacker = next((unpacker for magic, unpacker in UNPACKERS.items() if start.startswith(magic)), open)
        self._packed, self._stream = archive.stat().st_size, unpacker(archive, "rb")

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_AT_ONCE:
            raise ValueError(f"a header has {size:,} bytes; allowed are {MOST_AT_ONCE:,}")
        _check_ratio(self._packed, self._stream.tell())
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        _check_ratio(self._packed, offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile | zipfile.ZipFile]:
    with _LimitedStream(archive) as stream:
        # Tar comes first: the end of an uncompressed tar that contains a zip looks like a zip.
        tar = _tar_or_none(stream)
        if tar is None and not zipfile.is_zipfile(archive):
            raise ValueError("it is neither a zip nor a tar (plain, gz, bz2 or xz)")
        with tar or zipfile.ZipFile(archive) as opened:
            yield opened


def _tar_or_none(stream: _LimitedStream) -> tarfile.TarFile | None:
    try:
        return tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:")
    except tarfile.ReadError:
        return None


def _entries(opened: tarfile.TarFile | zipfile.ZipFile) -> Iterator[ArchiveEntry]:
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            name = _name_in_zip(info)
            _refuse_special(name, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            opener = None if info.is_dir() else partial(opened.open, info)
            yield ArchiveEntry(_safe_path(name), info.file_size, opener)
        return
    for member in opened:
        _refuse_special(member.name, member.isfile() or member.isdir())
        extract = None if member.isdir() else partial(opened.extractfile, member)
        yield ArchiveEntry(_safe_path(member.name), member.size, extract)
    _refuse_early_end(opened)


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """Returns the name of an entry. Many programs write UTF-8 without its flag, and `zipfile` then reads cp437."""
    if info.flag_bits & UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _refuse_special(name: str, is_ordinary: bool) -> None:
    if not is_ordinary:
        raise ValueError(f"{name!r} is a link or a device; pack the files themselves")


def _refuse_early_end(opened: tarfile.TarFile) -> None:
    """Checks that a tar ends with zeros: `tarfile` also stops at a damaged header, without an error."""
    assert opened.fileobj
    opened.fileobj.seek(opened.offset)
    if any(opened.fileobj.read(tarfile.BLOCKSIZE)):
        raise ValueError(f"the archive is damaged at byte {opened.offset}")


def _safe_path(name: str) -> PurePosixPath:
    slashed = name.replace("\\", "/")
    path = PurePosixPath(slashed)
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(slashed).drive or "\0" in name:
        raise ValueError(f"{name!r} leads out of the archive")
    return path


def _within_limits(entries: Iterator[ArchiveEntry], archive: Path) -> Iterator[ArchiveEntry]:
    packed, unpacked = archive.stat().st_size, 0
    for count, entry in enumerate(entries, 1):
        unpacked += entry.size
        if count > MAX_ENTRIES:
            raise ValueError(f"the archive holds more than {MAX_ENTRIES:,} files and folders")
        _check_ratio(packed, unpacked)
        yield entry


def _check_ratio(packed: int, unpacked: int) -> None:
    if unpacked > MAX_BYTES or unpacked > max(RATIO_COUNTS_FROM, packed * MAX_RATIO):
        raise ValueError(
            f"its {packed:,} bytes unpack to {unpacked:,} and more; allowed are {MAX_BYTES:,} and {MAX_RATIO} times"
        )


def _inside(entries: list[ArchiveEntry], top: PurePosixPath) -> list[ArchiveEntry]:
    inside = [
        ArchiveEntry(entry.path.relative_to(top), entry.size, entry.open)
        for entry in entries
        if entry.path.is_relative_to(top)
    ]
    if not any(entry.open for entry in inside):
        tops = sorted({entry.path.parts[0] for entry in entries if entry.path.parts})
        raise ValueError(f"there are no files in its folder '{top}'; at its top are: {', '.join(tops[:20]) or 'none'}")
    return inside


def _write(entry: ArchiveEntry, target: Path) -> None:
    file = target / entry.path
    if entry.open is None:
        file.mkdir(parents=True, exist_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    source = entry.open()
    assert source
    with source, file.open("xb") as out:
        copyfileobj(source, out, PIECE)
