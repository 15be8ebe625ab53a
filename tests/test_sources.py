"""Sources of datasets: the digits, archives (malicious ones too), downloads that break, folders, their DVC stages."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferline.data import archive, download
from transferline.data.sources import Archive, Digits, Folder, fetch, load_sources, source_of
from transferline.errors import TransferlineError
from transferline.params import load_params

ROOT = Path(__file__).parents[1]
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
    fetch(Archive(kind="archive", path=str(path), sha256=digest, subfolder=subfolder), target, target.parent / "cache")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_is_unpacked_as_it_is(tmp_path, make):
    fetch_archive(make(tmp_path / "a", FILES), tmp_path / "raw" / "pets")
    assert contents(tmp_path / "raw" / "pets") == FILES
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["pets"]


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
    assert_refused(path, tmp_path, "unpack to 1,200 and more")
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
        fetch(Archive(kind="archive", path=str(path), sha256="0" * 64), tmp_path / "raw", tmp_path)
    with pytest.raises(TransferlineError, match=f"give its sha256.*{digest}.*compare it"):
        fetch(Archive(kind="archive", path=str(path), sha256=None), tmp_path / "raw", tmp_path)
    assert contents(tmp_path) == {"a.zip": path.read_bytes()}


@contextmanager
def server(content, breaks=(), ranges=True):
    """Serves `content`; the first requests end after as many bytes as `breaks` says. Yields (url, requested ranges)."""
    asked, pending = [], list(breaks)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Range"))
            if self.path.startswith("/gone"):
                return self.send_error(404)
            start = int(asked[-1].removeprefix("bytes=").rstrip("-")) if asked[-1] and ranges else 0
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + pending.pop(0)] if pending else content[start:])

        def log_message(self, *arguments):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{web.server_port}", asked
    finally:
        web.shutdown()
        web.server_close()


@pytest.fixture(autouse=True)
def _no_proxy_and_no_waiting(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "SECONDS_BETWEEN_ATTEMPTS", 0)


@pytest.fixture
def photos(tmp_path):
    """A zip of 1 MB that does not compress, and the source that has its sha256."""
    noise = np.random.default_rng(0).bytes(1_000_000)
    content = make_zip(tmp_path / "photos.zip", {"cats/1.jpg": noise}).read_bytes()
    (tmp_path / "photos.zip").unlink()
    return content, {"kind": "archive", "sha256": sha256(content).hexdigest()}


def test_a_broken_download_goes_on_where_it_broke(tmp_path, photos, capsys):
    content, keys = photos
    with server(content, breaks=[250_000, 350_000]) as (url, asked):
        fetch(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
        assert asked == [None, "bytes=200000-", "bytes=500000-"]
        shutil.rmtree(tmp_path / "raw")
        fetch(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
        assert len(asked) == 3
    assert set(contents(tmp_path / "raw")) == {"cats/1.jpg"}
    assert "attempt 2 of 5" in capsys.readouterr().out


def test_after_too_many_breaks_the_next_call_goes_on(tmp_path, photos):
    content, keys = photos
    with server(content, breaks=[100_000] * download.ATTEMPTS) as (url, asked):
        source = Archive(**keys, url=f"{url}/photos.zip")
        with pytest.raises(TransferlineError, match=r"photos\.zip cannot be downloaded.*goes on where it stopped"):
            fetch(source, tmp_path / "raw", tmp_path / "cache")
        assert not (tmp_path / "raw").exists()
        fetch(source, tmp_path / "raw", tmp_path / "cache")
        assert asked[-1] == f"bytes={100_000 * download.ATTEMPTS}-"
    assert (tmp_path / "raw" / "cats" / "1.jpg").is_file()


def test_a_server_without_ranges_starts_over(tmp_path, photos):
    content, keys = photos
    with server(content, breaks=[300_000], ranges=False) as (url, _):
        fetch(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
    assert (tmp_path / "raw" / "cats" / "1.jpg").stat().st_size == 1_000_000


def test_a_partial_file_that_is_too_long_is_dropped(tmp_path, photos):
    content, keys = photos
    with server(content, breaks=[1] * download.ATTEMPTS) as (url, asked):
        with pytest.raises(TransferlineError):
            download.download(f"{url}/photos.zip", tmp_path / "cache")
        next((tmp_path / "cache").iterdir()).write_bytes(bytes(2_000_000))
        fetch(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
        assert asked[-2:] == ["bytes=2000000-", None]
    assert (tmp_path / "raw" / "cats" / "1.jpg").is_file()


def test_a_missing_file_is_not_asked_for_again(tmp_path):
    with server(b"") as (url, asked), pytest.raises(TransferlineError, match=r"gone\.zip cannot be downloaded: 404"):
        download.download(f"{url}/gone.zip", tmp_path)
    assert asked == [None]


def test_a_download_with_a_wrong_sha256_is_named(tmp_path, photos):
    with server(photos[0]) as (url, _):
        source = Archive(kind="archive", url=f"{url}/photos.zip", sha256="0" * 64)
        with pytest.raises(TransferlineError, match=r"photos\.zip has the sha256 .*delete it to download it again"):
            fetch(source, tmp_path / "raw", tmp_path / "cache")
        assert not (tmp_path / "raw").exists()


def test_the_digits_are_the_same_bytes_every_time(tmp_path):
    fetch(Digits(kind="digits"), tmp_path / "raw", tmp_path)
    files = contents(tmp_path / "raw")
    assert len(files) == 1797
    whole = sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()
    assert whole == "358d4880f18b6b79c427cd36b72c35a31be236cb2c22f7369f8082f0357b057e"
    pixels = np.stack([np.asarray(Image.open(tmp_path / "raw" / name)) for name in sorted(files)])
    assert pixels.shape == (1797, 8, 8)
    assert pixels.min() == 0 and pixels.max() == 255 and len(np.unique(pixels)) == 17


def test_a_folder_is_copied_with_hidden_files_and_links_to_files_as_files(tmp_path):
    source = tmp_path / "source"
    (source / "cats").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "cats" / ".hidden").write_bytes(b"h")
    (tmp_path / "far.jpg").write_bytes(b"far")
    (source / "cats" / "link.jpg").symlink_to(tmp_path / "far.jpg")
    fetch(Folder(kind="folder", path=str(source)), tmp_path / "raw", tmp_path)
    assert contents(tmp_path / "raw") == {"cats/.hidden": b"h", "cats/link.jpg": b"far"}
    assert not (tmp_path / "raw" / "cats" / "link.jpg").is_symlink()
    assert (tmp_path / "raw" / "empty").is_dir()


@pytest.mark.parametrize("special", ["folder link", "broken link", "fifo"])
def test_what_cannot_be_copied_is_named_and_nothing_stays(tmp_path, special):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.jpg").write_bytes(b"1")
    odd = tmp_path / "source" / "odd"
    if special == "fifo":
        os.mkfifo(odd)
    else:
        odd.symlink_to(tmp_path if special == "folder link" else tmp_path / "nowhere")
    with pytest.raises(TransferlineError, match="odd is a link to a folder, a broken link or a device"):
        fetch(Folder(kind="folder", path=str(tmp_path / "source")), tmp_path / "raw", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_failed_fetch_leaves_the_old_folder(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "old").write_bytes(b"o")
    bad = make_tar(tmp_path / "bad", {"good": b"1", "x": b""}, type=tarfile.SYMTYPE)
    with pytest.raises(TransferlineError):
        fetch_archive(bad, tmp_path / "raw")
    assert contents(tmp_path / "raw") == {"old": b"o"}
    fetch_archive(make_tar(tmp_path / "good", {"new": b"n"}), tmp_path / "raw")
    assert contents(tmp_path / "raw") == {"new": b"n"}


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ({"kind": "ftp"}, r"sources\.x.*'digits', 'archive', 'folder'"),
        ({"kind": "digits", "colour": 1}, r"sources\.x\.digits\.colour: unknown key; allowed are kind"),
        ({"kind": "archive", "sha256": None}, "give either url or path"),
        ({"kind": "archive", "url": "ftp://a/b.zip", "sha256": None}, r"url.*https"),
        ({"kind": "archive", "path": "b.zip"}, r"sha256.*required"),
        ({"kind": "archive", "path": "b.zip", "sha256": "abc"}, r"sha256.*pattern"),
        ({"kind": "folder"}, r"path.*required"),
    ],
)
def test_a_wrong_source_is_named(tmp_path, source, match):
    (tmp_path / "sources.yaml").write_text(json.dumps({"sources": {"x": source}}))
    with pytest.raises(TransferlineError, match=match):
        load_sources(tmp_path / "sources.yaml")


def test_an_unknown_dataset_is_named_with_the_nearest():
    with pytest.raises(TransferlineError, match="no dataset digit; did you mean digits"):
        source_of("digit", ROOT / "data" / "sources.yaml")


@pytest.fixture
def project(tmp_path):
    """A Git and DVC project with this project's data/dvc.yaml, a stage that reads the dataset of params.yaml, and a
    second dataset that cannot be fetched."""
    (tmp_path / "data").mkdir()
    for name in ("data/dvc.yaml", "data/.gitignore", "data/sources.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "data" / "sources.yaml").open("a") as file:
        file.write("\n  unreachable: {kind: folder, path: nowhere}\n")
    stage = {
        "cmd": "ls data/raw/${data.dataset} > seen.txt",
        "deps": ["data/raw/${data.dataset}"],
        "outs": ["seen.txt"],
    }
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"validate": stage}}))
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def repro(project, *arguments):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    done = subprocess.run(
        command, cwd=project, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_dvc_fetches_only_the_dataset_that_params_name(project):
    dataset = load_params(project / "params.yaml").data.dataset
    code, said = repro(project)
    assert code == 0, said
    assert (project / "seen.txt").read_text().split() == list("0123456789")
    assert "unreachable" not in said
    assert [path.name for path in (project / "data" / "raw").iterdir()] == [dataset]
    assert not (project / "data" / "raw" / ".gitignore").exists()
    with (project / "data" / "sources.yaml").open("a") as file:
        file.write("\n  another: {kind: folder, path: nowhere}\n")
    code, said = repro(project, "validate")
    assert code == 0 and "Running stage" not in said, said
    code, said = repro(project, "data/dvc.yaml:fetch@unreachable")
    assert code != 0
    assert "error: nowhere: no such folder" in said
    assert not (project / "data" / "raw" / "unreachable").exists()
