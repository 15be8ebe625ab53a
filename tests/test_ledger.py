"""The ledger, rollback, and test images that no training may use."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, edit_yaml, run
from tests.kill_at import example_move
from tests.registry_project import registry_project, select, train
from transferline.cli import main as cli
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.tested_images import (
    TESTED_IMAGES,
    former_test_images,
    hash_of_test_set,
    keep_test_set,
)
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.registry import champion_move, ledger
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.promotion import promote
from transferline.registry.registered_models import download_version, version_by_alias
from transferline.registry.rollback import rollback
from transferline.registry.tracking import connect


def champion(params) -> str:
    return str(version_by_alias(connect(params.record, Path.cwd()), "colors", CHAMPION).version)


@pytest.mark.slow
def test_history_rollback_and_back_again(tmp_path, monkeypatch, capsys):
    params = registry_project(tmp_path, monkeypatch)
    with pytest.raises(TransferlineError, match="no champion of the model colors yet"):
        rollback(params, tmp_path, "too early")
    select(params, train(params, "head", "fair"))
    promote(params, tmp_path)
    with pytest.raises(TransferlineError, match="version 1 replaced no champion of colors; there is no earlier"):
        rollback(params, tmp_path, "too early")
    select(params, train(params, "fine_tune", "good"))
    promote(params, tmp_path)

    assert rollback(params, tmp_path, "it mixes up blue").version == champion(params) == "1"
    client = connect(params.record, tmp_path)
    assert str(version_by_alias(client, "colors", CHALLENGER).version) == "2"
    with pytest.raises(
        TransferlineError, match=r"version 7 is not an earlier champion of colors; choose one with --to 2"
    ):
        rollback(params, tmp_path, "no", to="7")
    monkeypatch.setattr(sys, "argv", ["transferline", "rollback", "--to", "2", "--reason", "it does not"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0 and champion(params) == "2"

    moves = ledger.read(tmp_path)
    assert [(move.kind, move.former, move.version) for move in moves] == [
        ("promotion", None, "1"),
        ("promotion", "1", "2"),
        ("rollback", "2", "1"),
        ("rollback", "1", "2"),
    ]
    assert all(len(move.model_sha256) == len(move.test_set) == len(move.validation_sha256) == 64 for move in moves)
    assert "@" in moves[0].who and moves[2].figure == moves[0].figure == "accuracy 0.6667"
    table = ledger.history(moves, "colors").splitlines()
    assert len(table) == 5 and "it does not" in table[1] and "rollback" in table[1] and table[4].split()[3] == "-"
    tags = client.get_model_version("colors", "2").tags
    assert tags["champion_since"] == moves[3].time and tags["champion_until"] == moves[2].time


@pytest.mark.slow
def test_a_rollback_that_fails_its_smoke_test_changes_nothing(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "fair"))
    promote(params, tmp_path)
    select(params, train(params, "fine_tune", "good"))
    promote(params, tmp_path)
    client = connect(params.record, tmp_path)
    stored = download_version(client.get_model_version("colors", "1"))
    (stored / "data" / "model.keras").write_bytes(b"broken")
    with pytest.raises(TransferlineError, match="is refused"):
        rollback(params, tmp_path, "it mixes up blue")
    assert champion(params) == "2" and len(ledger.read(tmp_path)) == 2 and not champion_move.JOURNAL.exists()


def test_a_line_that_is_no_entry_is_named(tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / ledger.LEDGER).write_text('{"id": "x"}\n')
    with pytest.raises(TransferlineError, match=r"ledger\.jsonl, line 1 is not an entry"):
        ledger.read(tmp_path)


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\r", "\n"])
def test_any_character_of_a_reason_or_a_class_stays_in_its_line(tmp_path, character):
    move = example_move().model_copy(
        update={"reason": f"one{character}two", "images_by_class": {f"blue{character}": 3}}
    )
    ledger.append(tmp_path, move)
    ledger.append(tmp_path, example_move("2", "3"))
    assert ledger.read(tmp_path)[0] == move and len(ledger.read(tmp_path)) == 2


def test_each_tested_image_is_kept_once_with_its_first_test_set(tmp_path):
    a, b, c = ("a" * 64, "b" * 64, "c" * 64)
    first = hash_of_test_set([a, b])[:12]
    assert former_test_images(tmp_path) == {}
    assert keep_test_set(tmp_path, [b, a]) and not keep_test_set(tmp_path, [a, b])
    file = tmp_path / TESTED_IMAGES
    before = file.read_text()
    assert before == f"{a} {first}\n{b} {first}\n"
    file.write_text(before.removesuffix("\n"))
    assert keep_test_set(tmp_path, [b, c])
    assert file.read_text() == f"{before}{c} {hash_of_test_set([b, c])[:12]}\n"
    assert former_test_images(tmp_path) == {a: first, b: first, c: hash_of_test_set([b, c])[:12]}


def test_lists_from_before_git_tracked_them_still_count_and_move_into_the_file(tmp_path):
    old = tmp_path / "mlruns" / "test_sets" / f"{'f' * 64}.txt"
    old.parent.mkdir(parents=True)
    old.write_text(f"{'a' * 64}\n")
    assert former_test_images(tmp_path) == {"a" * 64: "f" * 12}
    keep_test_set(tmp_path, ["b" * 64])
    assert f"{'a' * 64} {'f' * 12}\n" in (tmp_path / TESTED_IMAGES).read_text()


def test_two_clones_that_both_promoted_keep_the_test_images_of_both(tmp_path):
    def git(*words: str, cwd: Path) -> None:
        run("git", "-c", "user.name=t", "-c", "user.email=t@t", *words, cwd=cwd)

    one, other = tmp_path / "one", tmp_path / "other"
    (one / "data").mkdir(parents=True)
    (one / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    (one / "data" / ".gitignore").write_bytes((ROOT / "data" / ".gitignore").read_bytes())
    keep_test_set(one, ["a" * 64])
    git("init", "-q", "-b", "main", cwd=one)
    git("add", "-A", cwd=one)
    git("commit", "-qm", "first", cwd=one)
    git("clone", "-q", str(one), str(other), cwd=tmp_path)
    assert former_test_images(other) == former_test_images(one) != {}
    for clone, image in ((one, "b"), (other, "c")):
        keep_test_set(clone, [image * 64])
        git("commit", "-qam", "promoted", cwd=clone)
    git("pull", "-q", "--no-rebase", cwd=other)
    assert set(former_test_images(other)) == {letter * 64 for letter in "abc"}
    with (other / TESTED_IMAGES).open("a") as file:
        file.write("<<<<<<< HEAD\n")
    with pytest.raises(TransferlineError, match=r"tested_images\.txt, line 4 is no entry: '<<<<<<< HEAD'.*both sides"):
        former_test_images(other)


@pytest.mark.slow
def test_a_former_test_image_in_train_fails_validation_with_its_name(project):
    params = load_params(project / "params.yaml")
    raw = project / "data" / "raw" / "colors"
    rows = validate_dataset(raw, params.data, params.validate_).table.rows
    tested = rows[rows["split"] == "test"]
    moved = rows[rows["split"] == "train"].iloc[0]
    keep_test_set(project, [*tested["sha256"], moved["sha256"]])

    written = {
        "--raw": raw,
        "--corrections": "data/corrections",
        "--manifest": "m",
        "--report": "r.json",
        "--docs": "d",
        "--quarantined": "q.png",
    }
    words = [word for pair in written.items() for word in pair]
    done = run("transferline", "stage", "validate", *words, cwd=project, check=False)
    assert done.returncode == 1 and f"{moved['path']}: a champion was tested on it" in done.stderr
    findings = json.loads((project / "r.json").read_text())["findings"]
    assert [(found["path"], found["rule"]) for found in findings if found["severity"] == "fail"] == [
        (moved["path"], "former_test_image")
    ]

    edit_yaml(project / "params.yaml", lambda tree: tree["validate"]["rules"].update(former_test_image="quarantine"))
    params = load_params(project / "params.yaml")
    left = validate_dataset(raw, params.data, params.validate_, former_test_images(project))
    assert not left.reasons and not left.table.rows.set_index("path")["kept"][moved["path"]]


def test_a_reader_that_ends_early_causes_no_traceback(tmp_path):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    done = run("sh", "-c", "(sleep 2; transferline history) | true", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
