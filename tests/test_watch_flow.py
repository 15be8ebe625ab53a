"""The flow `watch`: one retraining for one change, with the real Prefect."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect import State, get_client
from prefect.states import Cancelled, Running

from tests.small_line import command, edit, make_line, runs_of
from tests.test_watch import find_change, train
from transferline.datasets.started_retrainings import remember, started_for, take_back
from transferline.flows import watch
from transferline.flows.retrain import LOCK_HELD, retrain


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_line(tmp_path / "line")
    monkeypatch.chdir(root)
    return root


@pytest.mark.slow
def test_what_was_started_is_remembered_until_other_data_was_trained_on(line: Path) -> None:
    train(line)
    (line / "data/raw/images/b.txt").write_text("b")
    first = find_change(line)
    assert first is not None and started_for(line, "images", first) is None
    remember(line, "images", first, "a run")
    started = started_for(line, "images", first)
    assert started is not None and started.run == "a run" and started.reason == first.reason
    (line / "data/raw/images/c.txt").write_text("c")
    second = find_change(line)
    assert second is not None and started_for(line, "images", second) is None
    remember(line, "images", second)
    assert started_for(line, "images", first) == started
    take_back(line, "images", second)
    assert started_for(line, "images", second) is None and started_for(line, "images", first) == started
    train(line)
    assert started_for(line, "images", first) is None
    remember(line, "images", first)
    (line / ".transferline/watched.json").write_text("{cut off")
    assert started_for(line, "images", first) is None


@pytest.mark.slow
def test_watch_runs_retrain_itself_where_it_is_not_deployed(line: Path, recorded: None) -> None:
    state: State[None] = watch.watch(return_state=True)
    assert state.message == "no change of images" and runs_of("retrain") == []
    (line / "data/raw/images/b.txt").write_text("b")
    state = watch.watch(return_state=True)
    assert state.message == "started retrain: data/raw/images: 1 added"
    assert [run.name for run in runs_of("retrain")] == ["watch: first training on images"]
    assert "b.txt" in (line / "manifest").read_text()
    shutil.rmtree(line / "data/raw/images")
    state = watch.watch(return_state=True)
    assert state.is_failed() and "is missing" in str(state.message)


@pytest.mark.slow
def test_one_retraining_for_one_change_also_where_it_fails(line: Path, recorded: None) -> None:
    train(line)
    (line / "data/raw/images/validate.txt").write_text("the stage validate fails at a file of its name")
    with held_by_another(line):
        state: State[None] = watch.watch(return_state=True)
        assert "1 added: waits, because" in str(state.message) and runs_of("retrain") == []
    assert str(watch.watch(return_state=True).message).startswith("started retrain: data/raw/images: 1 added")
    for _ in range(2):
        state = watch.watch(return_state=True)
        assert state.is_completed() and "already started for this change at 2" in str(state.message)
        assert "`transferline run` tries again" in str(state.message)
    command("dvc", "add", "-q", "data/raw/images", cwd=line)
    assert "already started for this change" in str(watch.watch(return_state=True).message)
    assert [run.state_name for run in runs_of("retrain")] == ["Failed"]
    (line / "data/raw/images/validate.txt").rename(line / "data/raw/images/b.txt")
    assert str(watch.watch(return_state=True).message).startswith("started retrain: data/raw/images: ")
    assert len(runs_of("retrain")) == 2 and "b.txt" in (line / "manifest").read_text()
    assert watch.watch(return_state=True).message == "no change of images"


@pytest.mark.slow
def test_a_run_that_was_cancelled_before_it_began_does_not_count(line: Path, recorded: None) -> None:
    """Prefect cancels a run of the deployment so where another one is at work."""
    train(line)
    (line / "data/raw/images/b.txt").write_text("b")
    change = find_change(line)
    assert change is not None
    with get_client(sync_client=True) as client:
        for state, said in (
            (None, "already started for this change"),
            (Cancelled(), "started retrain: "),
            (Cancelled(name=LOCK_HELD), "started retrain: "),
        ):
            run = client.create_flow_run(retrain)
            if state:
                if state.name == LOCK_HELD:  # it began, and found the lock held
                    client.set_flow_run_state(run.id, Running(), force=True)
                client.set_flow_run_state(run.id, state, force=True)
                (line / "data/raw/images/b.txt").write_text(f"b {state.name}")
                change = find_change(line)
                assert change is not None
            remember(line, "images", change, str(run.id))
            assert said in str(watch.watch(return_state=True).message)


@pytest.mark.slow
def test_a_deployment_that_prefect_yaml_no_longer_has_is_not_used(line: Path, recorded: None) -> None:
    with get_client(sync_client=True) as client:
        flow = client.create_flow(retrain)
        client.create_deployment(flow, "transferline")
    assert watch._deployed_retrain(line) == "retrain/transferline"
    edit(line / "prefect.yaml", "transferline.flows.retrain.retrain", "transferline.flows.reconcile.reconcile")
    assert watch._deployed_retrain(line) is None


@pytest.mark.slow
def test_a_retraining_that_finds_the_lock_held_says_so(
    line: Path, recorded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transferline.flows.retrain.PATIENCE", 0)
    with held_by_another(line):
        state: State[None] = retrain(return_state=True)
    assert state.is_cancelled() and state.name == LOCK_HELD


@contextmanager
def held_by_another(root: Path) -> Iterator[None]:
    """The project while another process trains in it."""
    lines = "import pathlib, sys; from transferline.training_lock import held\nwith held(pathlib.Path(), 'a training'):"
    words = [sys.executable, "-c", f"{lines}\n print('holds it', flush=True)\n sys.stdin.read()"]
    with subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield
        process.communicate()
