"""Messages about failures reach a webhook: from the run, and from Prefect's server by the automation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.small_line import make_line, prefect_server, receiver, runs_of, wait_for
from transferline.errors import TransferlineError
from transferline.flows import automation, flow_run
from transferline.flows.flow_run import tell_of_failure, unfinished_on_server
from transferline.flows.retrain import main, retrain
from transferline.notify import VARIABLE, notify

FAILED = "stage validate failed: data/raw/images: 1 broken image\n  a.png: truncated; mend or remove it"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with prefect_server(tmp_path_factory.mktemp("server")) as env:
        yield env


@pytest.fixture
def broken_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: dict[str, str]) -> Path:
    root = make_line(tmp_path / "line")
    (root / "data/raw/images/validate.txt").touch()
    monkeypatch.chdir(root)
    return root


@pytest.mark.slow
def test_a_failed_run_posts_project_run_stage_and_message(broken_line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as (url, bodies):
        monkeypatch.setenv(VARIABLE, url)
        assert main(reason="new photographs", promote=False) == 1
        (body,) = bodies
        address = body.pop("address")
        assert "/runs/flow-run/" in address
        expected = {
            "flow": "retrain",
            "run": "new photographs: first training on images",
            "stages": ["validate"],
            "message": FAILED,
        }
        assert body == expected | {"project": str(broken_line)}

        # After a kill, the worker runs the hook in its own process, which remembers no tasks.
        (run,) = (run for run in runs_of("retrain") if str(run.id) in address)
        wait_for("failed task", 60, [], lambda: unfinished_on_server(run))
        monkeypatch.setattr(flow_run, "unfinished_tasks", lambda flow_run_id: [])
        monkeypatch.chdir(broken_line.parent)  # also where another project ends the run
        tell_of_failure(retrain, run, run.state)
        monkeypatch.chdir(broken_line)
        assert bodies.pop() == expected | {"project": str(broken_line), "address": address}

        (broken_line / "data/raw/images/validate.txt").unlink()
        assert retrain(promote=False)["stages"]
        assert len(bodies) == 1


@pytest.mark.slow
def test_the_automation_posts_from_the_server(
    broken_line: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = server["PREFECT_API_URL"]
    monkeypatch.setenv("PREFECT_API_URL", api)
    with receiver() as (old, early), receiver() as (url, bodies):
        automation.main([old])
        automation.main([url])
        created = f"{api} (from the variable PREFECT_API_URL): the automation 'transferline: a run failed' posts"
        assert created in capsys.readouterr().out
        assert main(reason='some "new" photographs', promote=False) == 1
        body = wait_for("post", 60, [], lambda: bodies)[0]
        assert (body["flow"], body["run"], body["state"]) == (
            "retrain",
            'some "new" photographs: first training on images',
            "Failed",
        )
        assert body["message"] == FAILED and "/runs/flow-run/" in body["address"]
        assert early == []


def test_the_automation_needs_a_server_that_the_user_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(TransferlineError, match=r"^no Prefect server is configured; set PREFECT_API_URL"):
        automation.main(["http://127.0.0.1:9/"])
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(TransferlineError, match=r"^Prefect's server at http://127.0.0.1:9/api does not answer"):
        automation.main(["http://127.0.0.1:9/"])


@pytest.mark.parametrize("arguments", [[], ["example.com/failures"], ["ftp://example.com"], ["https://"], ["a", "b"]])
def test_the_automation_needs_the_address_of_a_webhook(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        automation.main(arguments)
    assert capsys.readouterr().err.startswith("usage: python -m transferline.flows.automation")


def test_a_webhook_that_is_not_there_is_only_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9/")
    notify("/p", "retrain", "run", [], "message", None)
    assert f"warning: the notification to the URL in {VARIABLE} failed" in capsys.readouterr().out
    monkeypatch.delenv(VARIABLE)
    notify("/p", "retrain", "run", [], "message", None)
    assert capsys.readouterr().out == ""
