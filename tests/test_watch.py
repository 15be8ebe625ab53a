"""What counts as new raw data, and that it starts a retraining. With the real DVC and Git, on loopback and disk."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.small_line import command, commit, edit, make_line
from transferline.datasets.dvc_lock_file import trained_revision
from transferline.datasets.new_data import NewData, find_new_data
from transferline.datasets.revisions import recorded_hash, take_revision, update_import
from transferline.errors import TransferlineError

DVC_FILE = "data/raw/images.dvc"


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_line(tmp_path / "line")
    monkeypatch.chdir(root)
    return root


def images(root: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (root / "data/raw/images").iterdir()}


def forget(root: Path) -> None:
    """Removes the data set, so that another may take its place."""
    shutil.rmtree(root / "data/raw/images")
    (root / DVC_FILE).unlink()


def find_change(root: Path) -> NewData | None:
    return next(find_new_data(root, "images"), None)


def train(root: Path) -> None:
    """What of a training decides here: `validate` accepts the data."""
    command("dvc", "repro", "-q", "validate", cwd=root)


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """A web server of a folder, on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files with the ETag that DVC asks for, and no log."""

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_files_that_come_change_and_go(line: Path) -> None:
    assert find_change(line) is None
    (line / "data/raw/images/b.txt").write_text("b")
    (line / "data/raw/images/a.txt").write_text("other")
    found = find_change(line)
    assert found is not None and found.reason == "data/raw/images: 1 added, 1 modified"
    train(line)
    assert find_change(line) is None and found.key == trained_revision(line, "images")
    edit(line / "params.yaml", "min_images: 5", "min_images: 6")
    assert find_change(line) is None
    shutil.rmtree(line / "data/raw/images")
    with pytest.raises(TransferlineError, match="data/raw/images is missing; `dvc pull"):
        find_change(line)
    assert list(find_new_data(line, "digits")) == []


@pytest.mark.slow
def test_data_that_is_versioned_and_not_trained_on_is_a_change(line: Path) -> None:
    train(line)
    (line / "data/raw/images/b.txt").write_text("b")
    by_hand = find_change(line)
    command("dvc", "add", "-q", "data/raw/images", cwd=line)
    commit(line)
    versioned = find_change(line)
    assert by_hand is not None and versioned is not None and "not the one trained on" in versioned.reason
    assert by_hand.key == versioned.key == recorded_hash(line, "images")
    train(line)
    assert find_change(line) is None
    (line / "data/raw/images/a.txt").unlink()
    other = find_change(line)
    assert other is not None and other.key not in (versioned.key, recorded_hash(line, "images"))
    (line / "data/raw/images/b.txt").rename(line / "data/raw/images/a.txt").write_text("a")
    with pytest.raises(TransferlineError, match="holds the files of commit"):  # as after a pull without a checkout
        find_change(line)


@pytest.mark.slow
def test_the_source_of_an_imported_folder(line: Path, tmp_path: Path) -> None:
    forget(line)
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    command("dvc", "import-url", "-q", source, "data/raw/images", cwd=line)
    assert find_change(line) is None
    (source / "b.txt").write_text("b")
    train(line)
    change = find_change(line)
    assert change is not None and change.update
    assert change.reason == f"data/raw/images: its source {source} has changed"
    assert images(line) == {"a.txt": "a"}
    update_import(line, "images")
    assert images(line) == {"a.txt": "a", "b.txt": "b"}
    brought = find_change(line)
    assert brought is not None and brought.key == change.key and not brought.update
    train(line)
    assert find_change(line) is None
    shutil.rmtree(source)
    with pytest.raises(TransferlineError, match="does not answer"):
        find_change(line)


@pytest.mark.slow
def test_a_web_source_is_asked_for_its_etag(line: Path, tmp_path: Path) -> None:
    forget(line)
    archive = tmp_path / "web" / "images"
    archive.parent.mkdir()
    archive.write_text("first")
    with web(archive.parent) as address:
        command("dvc", "import-url", "-q", f"{address}/images", "data/raw/images", cwd=line)
        assert find_change(line) is None
        archive.write_text("second")
        os.utime(archive, ns=(1, 1))
        change = find_change(line)
        assert change is not None and change.update and "/images has changed" in change.reason
        assert change == find_change(line) and change.key == 'source "1"'
    with pytest.raises(TransferlineError, match="does not answer"):
        find_change(line)


@pytest.mark.slow
def test_an_import_from_another_repository(line: Path, tmp_path: Path) -> None:
    other = make_line(tmp_path / "other")
    forget(line)
    command("dvc", "import", "-q", other, "data/raw/images", "-o", "data/raw/images", cwd=line)
    assert find_change(line) is None
    (other / "data/raw/images/b.txt").write_text("b")
    command("dvc", "add", "-q", "data/raw/images", cwd=other)
    commit(other)
    train(line)
    change = find_change(line)
    assert change is not None and change.update
    assert change.key.removeprefix("source ") == command("git", "rev-parse", "HEAD", cwd=other).strip()
    update_import(line, "images")
    brought = find_change(line)
    assert brought is not None and brought.key == change.key


@pytest.mark.slow
def test_new_data_in_the_git_remote_is_taken_by_its_commit(line: Path, tmp_path: Path) -> None:
    command("dvc", "remote", "add", "-q", "-d", "store", tmp_path / "store", cwd=line)
    commit(line)
    command("dvc", "push", "-q", cwd=line)
    command("git", "clone", "-q", "--bare", line, tmp_path / "git", cwd=tmp_path)
    command("git", "remote", "add", "origin", tmp_path / "git", cwd=line)
    command("git", "fetch", "-q", cwd=line)
    command("git", "branch", "-q", "--set-upstream-to", "origin/main", cwd=line)
    assert find_change(line) is None

    colleague = tmp_path / "colleague"
    command("git", "clone", "-q", tmp_path / "git", colleague, cwd=tmp_path)
    command("dvc", "pull", "-q", DVC_FILE, cwd=colleague)
    (colleague / "data/raw/images/b.txt").write_text("b")
    command("dvc", "add", "-q", "data/raw/images", cwd=colleague)
    commit(colleague)
    command("git", "push", "-q", cwd=colleague)
    change = find_change(line)
    assert change is not None and change.revision and "origin/main has other data" in change.reason
    assert change.key == recorded_hash(colleague, "images")

    before = (line / DVC_FILE).read_text()
    with pytest.raises(TransferlineError, match="dvc pull"):  # the colleague has not pushed the data
        take_revision(line, "images", change.revision)
    assert (line / DVC_FILE).read_text() == before and images(line) == {"a.txt": "a"}
    command("dvc", "push", "-q", DVC_FILE, cwd=colleague)
    take_revision(line, "images", change.revision)
    assert images(line) == {"a.txt": "a", "b.txt": "b"}
    assert find_change(line) is None
    take_revision(line, "images", "HEAD")
    assert images(line) == {"a.txt": "a"} and recorded_hash(line, "images") == recorded_hash(line, "images", "HEAD")


def test_a_revision_does_not_overwrite_data_that_no_commit_names(line: Path) -> None:
    with pytest.raises(TransferlineError, match="data revision nowhere: not in"):
        take_revision(line, "images", "nowhere")
    (line / "data/raw/images/b.txt").write_text("b")
    command("dvc", "add", "-q", "data/raw/images", cwd=line)
    with pytest.raises(TransferlineError, match="holds data that no commit names"):
        take_revision(line, "images", "HEAD")
    commit(line)
    (line / "data/raw/images/c.txt").write_text("c")
    with pytest.raises(TransferlineError, match="holds data that no commit names"):
        take_revision(line, "images", "HEAD~1")
    with pytest.raises(TransferlineError, match="digits has no data/raw/digits"):
        take_revision(line, "digits", "HEAD")
