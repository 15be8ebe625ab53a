"""Downloads as sources: interrupted ones, and ones with the wrong content."""

import shutil
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tests.test_archive import contents, make_zip
from transferline.datasets import downloads as download
from transferline.datasets.sources import Archive, fetch_dataset
from transferline.errors import TransferlineError


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
        fetch_dataset(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
        assert asked == [None, "bytes=200000-", "bytes=500000-"]
        shutil.rmtree(tmp_path / "raw")
        fetch_dataset(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
        assert len(asked) == 3
    assert set(contents(tmp_path / "raw")) == {"cats/1.jpg"}
    assert "attempt 2 of 5" in capsys.readouterr().out


def test_after_too_many_breaks_the_next_call_goes_on(tmp_path, photos):
    content, keys = photos
    with server(content, breaks=[100_000] * download.ATTEMPTS) as (url, asked):
        source = Archive(**keys, url=f"{url}/photos.zip")
        with pytest.raises(TransferlineError, match=r"photos\.zip cannot be downloaded.*resumes the download"):
            fetch_dataset(source, tmp_path / "raw", tmp_path / "cache")
        assert not (tmp_path / "raw").exists()
        fetch_dataset(source, tmp_path / "raw", tmp_path / "cache")
        assert asked[-1] == f"bytes={100_000 * download.ATTEMPTS}-"
    assert (tmp_path / "raw" / "cats" / "1.jpg").is_file()


def test_a_server_without_ranges_starts_over(tmp_path, photos):
    content, keys = photos
    with server(content, breaks=[300_000], ranges=False) as (url, _):
        fetch_dataset(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
    assert (tmp_path / "raw" / "cats" / "1.jpg").stat().st_size == 1_000_000


def test_a_partial_file_that_is_too_long_is_dropped(tmp_path, photos):
    content, keys = photos
    with server(content, breaks=[1] * download.ATTEMPTS) as (url, asked):
        with pytest.raises(TransferlineError):
            download.download_file(f"{url}/photos.zip", tmp_path / "cache")
        next((tmp_path / "cache").iterdir()).write_bytes(bytes(2_000_000))
        fetch_dataset(Archive(**keys, url=f"{url}/photos.zip"), tmp_path / "raw", tmp_path / "cache")
        assert asked[-2:] == ["bytes=2000000-", None]
    assert (tmp_path / "raw" / "cats" / "1.jpg").is_file()


def test_a_missing_file_is_not_asked_for_again(tmp_path):
    with server(b"") as (url, asked), pytest.raises(TransferlineError, match=r"gone\.zip cannot be downloaded: 404"):
        download.download_file(f"{url}/gone.zip", tmp_path)
    assert asked == [None]


def test_a_download_with_a_wrong_sha256_is_named(tmp_path, photos):
    with server(photos[0]) as (url, _):
        source = Archive(kind="archive", url=f"{url}/photos.zip", sha256="0" * 64)
        with pytest.raises(TransferlineError, match=r"photos\.zip has the sha256 .*delete it to download it again"):
            fetch_dataset(source, tmp_path / "raw", tmp_path / "cache")
        assert not (tmp_path / "raw").exists()
