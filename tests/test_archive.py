"""Archives as sources: zips and tars, also damaged and malicious ones."""

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from hashlib import sha256

import pytest

from transferline.datasets import archives as archive
from transferline.datasets.sources import Archive, fetch_dataset
from transferline.errors import TransferlineError

FILES = {"pets/cats/1.jpg": b"cat", "pets/dogs/2.jpg": b"dog" * 50_000, "pets/.hidden": b"h"}


def make_zip(path, files, kind=0o100644):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = kind << 16
            packed.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path, files, mode="w", **attributes):
    with tarfile.open(path, mode) as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            packed.addfile(info, io.BytesIO(content))
    return path


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetch_archive(path, target, subfolder=None):
    digest = sha256(path.read_bytes()).hexdigest()
    fetch_dataset(
        Archive(kind="archive", path=str(path), sha256=digest, subfolder=subfolder), target, target.parent / "cache"
    )


def test_names_of_a_zip_are_utf8_also_without_its_flag(tmp_path):
    """Info-ZIP and the Finder do not set the flag; Windows writes cp437."""
    packed = make_zip(tmp_path / "a.zip", {"K__se/1.jpg": b"1", "K-se/1.jpg": b"2"})
    content = packed.read_bytes().replace(b"K__se", "Käse".encode()).replace(b"K-se", "Käse".encode("cp437"))
    packed.write_bytes(content)
    with pytest.raises(TransferlineError, match="File exists"):
        fetch_archive(packed, tmp_path / "raw")
    packed.write_bytes(content.replace("Käse".encode("cp437"), "Bäse".encode("cp437")))
    fetch_archive(packed, tmp_path / "raw")
    assert contents(tmp_path / "raw") == {"Käse/1.jpg": b"1", "Bäse/1.jpg": b"2"}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_is_unpacked_as_it_is(tmp_path, make):
    fetch_archive(make(tmp_path / "a", FILES), tmp_path / "raw" / "pets")
    assert contents(tmp_path / "raw" / "pets") == FILES
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["pets"]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_a_tar_cannot_fill_the_memory(tmp_path, kind):
    header = tarfile.TarInfo("a")
    header.size, header.type = 2**28, kind
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as packed:
        packed.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(2**28 // 2**20):
            packed.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(TransferlineError, match=r"a header has 268,435,\d+ bytes; allowed are 16,777,216"):
        fetch_archive(tmp_path / "a.tar.gz", tmp_path / "raw")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25


def test_many_headers_of_a_tar_count_as_unpacked_bytes(tmp_path):
    header = tarfile.TarInfo("a")
    header.size, header.type = 2**23, tarfile.GNUTYPE_LONGNAME
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as packed:
        for _ in range(20):
            packed.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**23))
    with pytest.raises(TransferlineError, match=r"bytes unpack to .* and more"):
        fetch_archive(tmp_path / "a.tar.gz", tmp_path / "raw")


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_compressed_tars(tmp_path, compression):
    fetch_archive(make_tar(tmp_path / "a.bin", FILES, f"w:{compression}"), tmp_path / "raw")
    assert contents(tmp_path / "raw") == FILES


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_only_a_subfolder(tmp_path, make):
    path = make(tmp_path / "a", {**FILES, "notes.txt": b"n", "petshop/x": b"x"})
    fetch_archive(path, tmp_path / "raw", "pets")
    assert set(contents(tmp_path / "raw")) == {"cats/1.jpg", "dogs/2.jpg", ".hidden"}
    with pytest.raises(
        TransferlineError, match=r"no files in its folder 'cats'; at its top are: notes\.txt, pets, petshop"
    ):
        fetch_archive(path, tmp_path / "other", "cats")


def test_an_empty_class_folder_stays(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.mkdir("empty")
        packed.writestr("cats\\1.jpg", b"cat")
    fetch_archive(tmp_path / "a.zip", tmp_path / "raw")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["cats", "empty"]


def assert_refused(path, tmp_path, match):
    with pytest.raises(TransferlineError, match=match):
        fetch_archive(path, tmp_path / "inner" / "raw")
    assert contents(tmp_path) == {path.name: path.read_bytes()}


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil"]
)
def test_paths_that_lead_out_are_refused_before_anything_is_written(tmp_path, make, name):
    assert_refused(make(tmp_path / "a", {"good.jpg": b"1", name: b"2"}), tmp_path, "leads out of the archive")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=str
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    assert_refused(
        make_tar(tmp_path / "a", {"x": b""}, type=kind, linkname="/etc/passwd"), tmp_path, "a link or a device"
    )


@pytest.mark.parametrize("kind", [0o120777, 0o020666, 0o010666], ids=["link", "device", "fifo"])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    assert_refused(make_zip(tmp_path / "a", {"x": b"/etc/passwd"}, kind), tmp_path, "a link or a device")


def test_permissions_are_not_taken_over(tmp_path):
    fetch_archive(make_zip(tmp_path / "a", {"x": b"1"}, kind=0o104777), tmp_path / "zip")
    with tarfile.open(tmp_path / "b", "w") as packed:
        info = tarfile.TarInfo("x")
        info.mode = 0o4777
        packed.addfile(info)
    fetch_archive(tmp_path / "b", tmp_path / "tar")
    for folder in ("zip", "tar"):
        assert not (tmp_path / folder / "x").stat().st_mode & 0o7111


@pytest.mark.parametrize("make", [make_zip, lambda path, files: make_tar(path, files, "w:gz")], ids=["zip", "tar.gz"])
def test_decompression_bombs_are_refused(tmp_path, make, monkeypatch):
    monkeypatch.setattr(archive, "RATIO_COUNTS_FROM", 100_000)
    assert_refused(make(tmp_path / "a", {"x": bytes(1_000_000)}), tmp_path, "unpack to 1,000,000 and more")


def test_size_and_number_of_files_are_limited(tmp_path, monkeypatch):
    path = make_tar(tmp_path / "a", {"x": bytes(600), "y": bytes(600)})
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    assert_refused(path, tmp_path, "unpack to 1,")
    monkeypatch.setattr(archive, "MAX_BYTES", 10_000)
    monkeypatch.setattr(archive, "MAX_ENTRIES", 1)
    assert_refused(path, tmp_path, "more than 1 files and folders")


def test_a_zip_that_understates_its_sizes_gives_no_more_than_it_states(tmp_path):
    path = make_zip(tmp_path / "a", {"x": bytes(1000)})
    whole = path.read_bytes()
    path.write_bytes(whole.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert path.read_bytes() != whole
    assert_refused(path, tmp_path, "cannot be unpacked: Bad CRC")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_that_comes_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a", "w") as packed:
        packed.writestr("x", b"1")
        packed.writestr("./x", b"2")
    assert_refused(tmp_path / "a", tmp_path, "File exists")


def test_damaged_archives_are_refused(tmp_path):
    whole = make_tar(tmp_path / "whole", {"a": b"1" * 600, "b": b"2" * 600}).read_bytes()
    (tmp_path / "whole").unlink()
    header = bytearray(whole)
    header[1536 + 100] ^= 255
    cut = make_tar(tmp_path / "cut", FILES, "w:gz").read_bytes()[:-40]
    (tmp_path / "cut").unlink()
    for damaged, match in (
        (b"no archive", "neither a zip nor a tar"),
        (header, "damaged at byte 1536"),
        (whole[:1900], "damaged at byte 1536"),
        (whole[:2200], "unexpected end of data"),
        (cut, "Compressed file ended"),
    ):
        (tmp_path / "a").write_bytes(damaged)
        assert_refused(tmp_path / "a", tmp_path, match)


def test_an_encrypted_zip_is_refused(tmp_path):
    content = bytearray(make_zip(tmp_path / "a", {"x": b"1"}).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a").write_bytes(content)
    assert_refused(tmp_path / "a", tmp_path, "encrypted, password required")


def test_a_wrong_sha256_is_refused_and_an_unknown_one_is_shown(tmp_path):
    path = make_zip(tmp_path / "a.zip", FILES)
    digest = sha256(path.read_bytes()).hexdigest()
    with pytest.raises(TransferlineError, match=f"has the sha256 {digest}, expected {'0' * 64}"):
        fetch_dataset(Archive(kind="archive", path=str(path), sha256="0" * 64), tmp_path / "raw", tmp_path)
    with pytest.raises(TransferlineError, match=f"give its sha256.*{digest}.*compare it"):
        fetch_dataset(Archive(kind="archive", path=str(path), sha256=None), tmp_path / "raw", tmp_path)
    assert contents(tmp_path) == {"a.zip": path.read_bytes()}
