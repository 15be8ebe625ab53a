"""Promotion as a transaction: after a failure or a kill at any step, aliases and ledger are consistent."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, run
from tests.empty_databases import give_mlflow_database
from tests.kill_at import example_move
from tests.registry_project import registry_project, select, train
from transferline.errors import TransferlineError
from transferline.registry import champion_move, ledger
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.champion_move import JOURNAL, move_champion, recover
from transferline.registry.promotion import promote
from transferline.registry.registered_models import version_by_alias
from transferline.registry.tracking import connect


def kill_at(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = run(sys.executable, "-m", "tests.kill_at", *arguments, cwd=Path.cwd(), check=False)
    assert done.returncode == 9, done.stderr


def aliases(client) -> tuple[str | None, str | None]:
    found = (version_by_alias(client, "colors", alias) for alias in (CHAMPION, CHALLENGER))
    return tuple(str(version.version) if version else None for version in found)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A registry with three versions: the first is the champion, the third the challenger."""
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(champion_move, "smoke_test", lambda *_: None)
    give_mlflow_database(tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    client.create_registered_model("colors")
    for _ in range(3):
        client.create_model_version("colors", str(tmp_path / "nothing"))
    client.set_registered_model_alias("colors", CHAMPION, "1")
    client.set_registered_model_alias("colors", CHALLENGER, "3")
    return client


KILLS = {
    ("journal", "before", "1"): False,
    ("journal", "after", "1"): False,
    ("alias", "after", "1"): False,
    ("smoke", "after", "1"): False,
    ("alias", "after", "2"): True,
    ("ledger", "after", "1"): True,
    ("tag", "after", "1"): True,
    ("finish", "after", "1"): True,
}


@pytest.mark.thorough
@pytest.mark.parametrize("kill", KILLS, ids=" ".join)
def test_a_kill_at_any_step_leaves_a_consistent_state(kill, client, monkeypatch):
    root = Path.cwd()
    kill_at(monkeypatch, "move", *kill)
    recover(client, root)
    moved = KILLS[kill]
    assert aliases(client) == (("2", "2") if moved else ("1", "3"))
    assert len(ledger.read(root)) == moved and not (root / JOURNAL).exists()
    if not moved:
        move_champion(client, root, example_move())
    recover(client, root)
    assert aliases(client) == ("2", "2") and len(ledger.read(root)) == 1 and not (root / JOURNAL).exists()
    assert client.get_model_version("colors", "2").tags["champion_since"] == ledger.read(root)[0].time
    assert "champion_until" in client.get_model_version("colors", "1").tags


THOROUGH = [
    pytest.param(kill, marks=pytest.mark.thorough) for kill in (("log", "after", "1"), ("register", "after", "1"))
]


@pytest.mark.slow
@pytest.mark.parametrize("kill", [*THOROUGH, ("ledger", "before", "1")], ids=" ".join)
def test_a_killed_promotion_that_runs_again_promotes_once(kill, tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    kill_at(monkeypatch, "promote", *kill)
    promote(params, tmp_path)
    client = connect(params.record, tmp_path)
    assert aliases(client) == ("1", "1") and len(client.search_model_versions("name = 'colors'")) == 1
    assert [move.version for move in ledger.read(tmp_path)] == ["1"] and not (tmp_path / JOURNAL).exists()
    (run,) = client.search_runs([client.get_experiment_by_name("colors").experiment_id])
    assert run.info.status == "FINISHED" and "replayed" not in run.data.tags


@pytest.mark.parametrize("step", ["smoke_test", "append"])
def test_a_failure_puts_both_aliases_back(step, client, monkeypatch):
    def fail(*_: object) -> None:
        raise TransferlineError("no")

    monkeypatch.setattr(ledger if step == "append" else champion_move, step, fail)
    with pytest.raises(TransferlineError, match="no"):
        move_champion(client, Path.cwd(), example_move())
    assert aliases(client) == ("1", "3") and not ledger.read(Path.cwd()) and not JOURNAL.exists()
    client.delete_registered_model_alias("colors", CHAMPION)
    with pytest.raises(TransferlineError, match="no"):
        move_champion(client, Path.cwd(), example_move(None, "1"))
    assert aliases(client) == (None, "3")


def test_a_champion_that_changed_meanwhile_is_not_replaced(client):
    with pytest.raises(TransferlineError, match="another command made version 1 the champion"):
        move_champion(client, Path.cwd(), example_move("2", "3"))


@pytest.mark.parametrize("fails", [True, False])
def test_a_move_of_another_machine_during_the_smoke_test_stands(fails, client, monkeypatch):
    def smoke_test(*_: object) -> None:
        client.set_registered_model_alias("colors", CHAMPION, "3")
        if fails:
            raise TransferlineError("other predictions")

    monkeypatch.setattr(champion_move, "smoke_test", smoke_test)
    wanted = "other predictions" if fails else "another command made version 3 the champion"
    with pytest.raises(TransferlineError, match=wanted):
        move_champion(client, Path.cwd(), example_move())
    assert aliases(client) == ("3", "3") and not ledger.read(Path.cwd()) and not JOURNAL.exists()


def test_a_move_of_another_machine_after_a_kill_stands(client):
    kept = champion_move.Journal(move=example_move(), challenger="1")
    JOURNAL.write_text(kept.model_dump_json())  # as a kill during the smoke test leaves it
    client.set_registered_model_alias("colors", CHALLENGER, "2")
    client.set_registered_model_alias("colors", CHAMPION, "3")
    recover(client, Path.cwd())
    assert aliases(client) == ("3", "1") and not ledger.read(Path.cwd()) and not JOURNAL.exists()


def test_the_description_of_a_version_that_fails_its_smoke_test_does_not_claim_its_promotion(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise TransferlineError("other predictions")

    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    monkeypatch.setattr(champion_move, "smoke_test", fail)
    with pytest.raises(TransferlineError, match="other predictions"):
        promote(params, tmp_path)
    description = connect(params.record, tmp_path).get_model_version("colors", "1").description
    assert "Promoted" not in description and "\n\nAccepted for promotion: test accuracy 1.0000 is good" in description


@pytest.mark.slow
def test_the_smoke_test_is_a_fresh_process_that_refuses_a_changed_file(tmp_path, monkeypatch):
    real = champion_move.smoke_test
    params = registry_project(tmp_path, monkeypatch)
    monkeypatch.setattr(champion_move, "smoke_test", real)
    select(params, train(params, "head", "good"))
    assert promote(params, tmp_path).promoted
    client = connect(params.record, tmp_path)
    (stored,) = (tmp_path / "mlruns").rglob("data/model.keras")
    stored.write_bytes(stored.read_bytes() + b" ")
    with pytest.raises(TransferlineError, match=r"smoke test of colors 1 failed.*is refused: it is not the file"):
        champion_move.smoke_test(client, "colors", "1")
