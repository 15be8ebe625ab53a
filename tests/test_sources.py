"""Sources of datasets: the digits, folders, wrong sources, their DVC stages."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_archive import contents, fetch_archive, make_tar, make_zip
from transferline.datasets.public_datasets import CATALOGUE, check_at_hand
from transferline.datasets.sources import Archives, Digits, Folder, fetch_dataset, load_sources, source_of
from transferline.errors import TransferlineError
from transferline.params import load_params

ROOT = Path(__file__).parents[1]


def test_the_digits_are_the_same_bytes_every_time(tmp_path):
    fetch_dataset(Digits(kind="digits"), tmp_path / "raw", tmp_path)
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
    fetch_dataset(Folder(kind="folder", path=str(source)), tmp_path / "raw", tmp_path)
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
        fetch_dataset(Folder(kind="folder", path=str(tmp_path / "source")), tmp_path / "raw", tmp_path)
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


def archives(*paths):
    parts = [{"path": str(path), "sha256": sha256(path.read_bytes()).hexdigest()} for path in paths]
    return Archives.model_validate_json(json.dumps({"kind": "archives", "archives": parts}))


def test_several_archives_are_unpacked_side_by_side_or_not_at_all(tmp_path):
    train = make_zip(tmp_path / "train.zip", {"Training/0/a.ppm": b"1", "Training/1/b.ppm": b"2"})
    test = make_tar(tmp_path / "test.tar", {"Testing/0/c.ppm": b"3"})
    fetch_dataset(archives(train, test), tmp_path / "raw", tmp_path)
    both = {"Training/0/a.ppm": b"1", "Training/1/b.ppm": b"2", "Testing/0/c.ppm": b"3"}
    assert contents(tmp_path / "raw") == both
    again = make_zip(tmp_path / "again.zip", {"Training/0/a.ppm": b"4"})
    with pytest.raises(TransferlineError, match=r"again\.zip cannot be unpacked: .*File exists"):
        fetch_dataset(archives(train, again), tmp_path / "raw", tmp_path)
    assert contents(tmp_path / "raw") == both


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ({"kind": "ftp"}, r"sources\.x.*'digits', 'archive', 'archives', 'folder'"),
        ({"kind": "digits", "colour": 1}, r"sources\.x\.digits\.colour: unknown key; allowed are kind"),
        ({"kind": "archive", "sha256": None}, "give either url or path"),
        ({"kind": "archive", "url": "ftp://a/b.zip", "sha256": None}, r"url.*https"),
        ({"kind": "archive", "path": "b.zip"}, r"sha256.*required"),
        ({"kind": "archive", "path": "b.zip", "sha256": "abc"}, r"sha256.*pattern"),
        ({"kind": "folder"}, r"path.*required"),
        ({"kind": "archives", "archives": [{"path": "b", "sha256": None}]}, r"archives.*at least 2"),
        (
            {"kind": "archives", "archives": [{"path": "b", "sha256": None, "colour": 1}] * 2},
            r"archives\.1\.colour: unknown key; allowed are url, path, sha256, subfolder",
        ),
    ],
)
def test_a_wrong_source_is_named(tmp_path, source, match):
    (tmp_path / "sources.yaml").write_text(json.dumps({"sources": {"x": source}}))
    with pytest.raises(TransferlineError, match=match):
        load_sources(tmp_path / "sources.yaml")


def test_an_unknown_dataset_is_named_with_the_nearest():
    with pytest.raises(TransferlineError, match="no dataset digit; did you mean digits"):
        source_of("digit", ROOT / "data" / "sources.yaml")


def test_a_dataset_that_nothing_brings_is_named_with_what_to_do(tmp_path):
    (tmp_path / "data" / "raw" / "cats").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "dogs.dvc").touch()
    shutil.copy(ROOT / "data" / "sources.yaml", tmp_path / "data" / "sources.yaml")
    for name in ("cats", "dogs", "digits"):
        check_at_hand(name, tmp_path)
    with pytest.raises(TransferlineError, match=r"no data/raw/cows; .* data add PATH --name cows`, .*\(cats, .*dogs"):
        check_at_hand("cows", tmp_path)


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_says_how_its_dataset_comes(recipe):
    """Fetched by a source of its dataset's name, or brought by the user; the digits are part of a package."""
    name, public = load_params(recipe).data.dataset, load_sources(CATALOGUE)
    how = f"transferline data add PATH{'/VOC2009' if name == 'voc2009' else ''} --name {name}"
    text = " ".join(recipe.read_text(encoding="utf-8").replace("\n# ", " ").split())
    assert name in public if "fetched on first use" in text or name == "digits" else how in text


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
