"""Two projects with one MLflow server: each knows the moves of the champion that the other made."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.conftest import edit_yaml, run_in_process
from tests.empty_databases import give_mlflow_database
from tests.kill_at import example_move
from tests.registry_project import registry_project, select, train
from tests.test_report import Page, read
from transferline.errors import TransferlineError
from transferline.params import Params, load_params
from transferline.paths import PAGE
from transferline.registry import champion_move, ledger
from transferline.registry.champion import champion_of
from transferline.registry.champion_move import move_champion
from transferline.registry.known_moves import LONGEST_REASON, after_known_moves, known_moves, share_move
from transferline.registry.promotion import promote
from transferline.registry.rollback import rollback
from transferline.registry.tracking import connect


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two projects. Their store is an SQLite file outside of both, which no project owns, as a server's."""
    give_mlflow_database(tmp_path / "server")
    store = f"sqlite:///{tmp_path}/server/mlruns/mlflow.db"
    for root in (tmp_path / "one", tmp_path / "other"):
        root.mkdir()
        registry_project(root, monkeypatch)
        edit_yaml(root / "params.yaml", lambda tree: tree["record"].update(tracking_uri=store))
    return tmp_path / "one", tmp_path / "other"


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(root)
    return load_params(root / "params.yaml")


@pytest.mark.slow
def test_a_rollback_counts_in_every_project(projects, monkeypatch, capsys):
    one, other = projects
    params = enter(one, monkeypatch)
    for phase, kernel in (("head", "fair"), ("fine_tune", "good")):
        select(params, train(params, phase, kernel))
        assert promote(params, one).promoted
    rollback(params, one, "it mixes up blue")

    params = enter(other, monkeypatch)
    shutil.copytree(one / "models", "models")  # as another training or `dvc pull` makes it
    select(params, Path("models/small/fine_tune"))
    decision = promote(params, other)
    assert not decision.promoted and "this model is version 2, which" in decision.reason
    assert "it mixes up blue" in decision.reason
    assert "small, fine_tune was the champion, and version 1 replaced it." in read(params)[0]
    assert not ledger.read(other) and known_moves(params.record, other, "colors") == ledger.read(one)
    capsys.readouterr()
    assert run_in_process("history") == 0 and "it mixes up blue" in capsys.readouterr().out.splitlines()[1]
    assert champion_of(params.record, other, "colors").move == ledger.read(one)[-1]

    rollback(params, other, "it does not", to="2")
    params = enter(one, monkeypatch)
    moves = known_moves(params.record, one, "colors")
    assert [move.reason for move in moves[2:]] == ["it mixes up blue", "it does not"] and len(ledger.read(one)) == 3
    assert "Version 2 (small, fine_tune) is the champion again" in read(params)[0]
    assert rollback(params, one, "it does").version == "1", "the version that the present one replaced"


def test_a_move_comes_after_the_known_moves_whatever_the_clocks(projects, monkeypatch):
    one, other = projects
    params = enter(one, monkeypatch)
    client = connect(params.record, one)
    client.create_registered_model("colors")
    for number in (1, 2):
        client.create_model_version("colors", "nothing", tags={"tflite_sha256": str(number) * 64})
    monkeypatch.setattr(champion_move, "smoke_test", lambda *_: None)
    ahead = {"tflite_sha256": "1" * 64, "time": "2090-01-01T00:00:00+00:00"}
    first = example_move(None, "1").model_copy(update=ahead)
    second = example_move("1", "2").model_copy(update={"tflite_sha256": "2" * 64})
    back = example_move("2", "1").model_copy(update={"tflite_sha256": "1" * 64, "kind": "rollback"})
    move_champion(client, one, first)
    assert move_champion(client, one, second).time == "2090-01-01T00:00:01+00:00"
    written = move_champion(client, other, back)  # its clock is behind
    for root in projects:
        moves = known_moves(params.record, root, "colors")
        assert [move.id for move in moves] == [first.id, second.id, back.id]
        assert ledger.rollback_of(moves, "2" * 64).id == written.id


def test_a_move_of_a_former_transferline_is_still_known_and_a_faulty_tag_is_named(projects, monkeypatch):
    root = projects[0]
    params = enter(root, monkeypatch)
    client = connect(params.record, root)
    client.create_registered_model("colors")
    for number in range(3):
        client.create_model_version("colors", "nothing", tags={"images": str(number), "images_by_class": '{"red": 2}'})
    former = example_move(None, "1")  # only the ledger has it
    ledger.append(root, former)
    ledger.append(root, example_move(None, "1").model_copy(update={"model": "another"}))
    own = after_known_moves(client, root, example_move("1", "2"))
    ledger.append(root, own)
    shared = example_move("2", "3").model_copy(update={"reason": "ü\n" * LONGEST_REASON})
    shared = after_known_moves(client, root, shared)
    for move in (own, shared, shared):
        share_move(client, root, move)
    found = known_moves(params.record, root, "colors")
    assert found[:2] == [former, own] and len(found) == 3
    assert (found[2].id, found[2].images, found[2].images_by_class) == (shared.id, 2, {"red": 2})
    assert shared.reason.startswith(found[2].reason) and len(found[2].reason) == LONGEST_REASON

    client.set_model_version_tag("colors", "3", "champion_move_x", '{"id": "x", "new": 1}')
    with pytest.raises(TransferlineError, match=r"the tag champion_move_x of version 3 of colors in MLflow is not a m"):
        known_moves(params.record, root, "colors")


def test_the_own_store_of_a_project_gets_no_tags_of_moves(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    promote(params, tmp_path)
    tags = connect(params.record, tmp_path).get_model_version("colors", "1").tags
    assert "champion_since" in tags and not [tag for tag in tags if tag.startswith("champion_move_")]


def test_without_the_server_the_page_has_the_moves_of_this_project_and_a_warning(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    promote(params, tmp_path)
    edit_yaml(tmp_path / "params.yaml", lambda tree: tree["record"].update(tracking_uri="http://127.0.0.1:9"))
    assert run_in_process("report") == 0
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    page, warning = Page(text), "the moves of the champion by other projects are missing on this page: MLflow at"
    assert "Version 1 (small, head) is the champion" in text and "promotion" in page.sections["Champions so far"]
    assert warning in page.sections["Decision"] and warning in page.sections["Champions so far"]

    (tmp_path / ledger.LEDGER).unlink()
    _, page = read(load_params(tmp_path / "params.yaml"))
    assert f"Not applicable: {warning}" in page.sections["Champions so far"]


def test_a_server_that_refuses_to_list_the_versions_is_one_message(projects, monkeypatch):
    def refuse(*_: object) -> None:
        raise MlflowException("permission denied")

    root = projects[0]
    params = enter(root, monkeypatch)
    monkeypatch.setattr(MlflowClient, "search_model_versions", refuse)
    with pytest.raises(TransferlineError, match="does not list the versions of colors: permission denied"):
        known_moves(params.record, root, "colors")
