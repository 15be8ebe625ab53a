"""Decisions of promotion with the real MLflow: gates, dry run, force, the report, files that somebody changed."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import run_in_process
from tests.registry_project import select, train, with_promote
from transferline.atomic_files import write_json
from transferline.datasets.tested_images import TESTED_IMAGES, former_test_images, keep_test_set
from transferline.errors import TransferlineError
from transferline.params import Limit
from transferline.registry import decision, ledger
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.gates import GATES
from transferline.registry.promotion import decided_before, promote
from transferline.registry.registered_models import named_model, version_by_alias
from transferline.registry.rollback import rollback
from transferline.registry.tracking import connect
from transferline.registry.version_cache import CACHE

REPORT = Path("reports/decision")


@pytest.mark.slow
def test_promotion_moves_the_alias_only_for_a_better_model_and_is_idempotent(params):
    root, name = Path.cwd(), params.promote.model_name
    client = connect(params.record, root)
    fair, good = train(params, "head", "fair"), train(params, "fine_tune", "good")

    select(params, fair)
    refused = promote(with_promote(params, min_value=0.7), root)
    assert not refused.promoted and "test accuracy 0.6667 is not good enough for a first champion" in refused.reason
    assert version_by_alias(client, name, CHAMPION) is None and not ledger.read(root)
    first = promote(params, root)
    assert (
        first.promoted
        and first.version == refused.version
        and "0.6667 is good enough for a first champion" in first.reason
    )
    again = promote(params, root)
    assert not again.promoted and again.reason == f"version {first.version} is already the champion"

    select(params, good)
    refused = promote(with_promote(params, min_improvement=0.9), root)
    assert not refused.promoted and "by less than promote.min_improvement = 0.9" in refused.reason
    assert str(version_by_alias(client, name, CHALLENGER).version) == refused.version
    assert str(version_by_alias(client, name, CHAMPION).version) == first.version
    better = promote(params, root)
    assert better.promoted and better.version == refused.version
    assert "test accuracy 1.0000 is better than the champion's 0.6667 on the same 24 images" in better.reason

    select(params, fair)
    worse = promote(params, root)
    assert not worse.promoted and "test accuracy 0.6667 is not better than" in worse.reason
    assert "blue 1.000 → 0.000" in worse.reason
    assert str(version_by_alias(client, name, CHAMPION).version) == better.version
    assert len(client.search_model_versions(f"name = '{name}'")) == 2
    assert [move.version for move in ledger.read(root)] == [first.version, better.version]


@pytest.mark.slow
def test_a_refusal_stands_until_something_it_follows_from_changes(params, monkeypatch):
    root = Path.cwd()
    for phase, kernel in (("head", "good"), ("fine_tune", "fair")):
        select(params, train(params, phase, kernel))
        last = promote(params, root)
    assert not last.promoted and last.gates

    def score_again(*_):
        raise AssertionError("scored again")

    with monkeypatch.context() as patch:
        patch.setattr(decision, "decide_promotion", score_again)
        again = promote(params, root)
        assert not again.promoted and again.version == last.version
        assert again.reason == f"nothing has changed since the last decision: {last.reason}"
        assert decided_before(params, root) == again
        assert decided_before(with_promote(params, min_improvement=0.5), root) is None
        fewer = params.model_copy(update={"validate_": params.validate_.model_copy(update={"min_images": 1})})
        assert decided_before(fewer, root) is None
        for call in (
            lambda: promote(with_promote(params, min_improvement=0.5), root),
            lambda: promote(params, root, dry_run=True),
            lambda: promote(params, root, force="why"),
        ):
            with pytest.raises(AssertionError, match="scored again"):
                call()
        write_json(root / "reports" / "validation.json", {"success": True, "changed": 1})
        with pytest.raises(AssertionError, match="scored again"):
            promote(params, root)
    slow = with_promote(params, max_latency_ms=Limit(absolute=1e-9))
    for _ in range(2):  # another time the machine may be less busy
        assert "latency of one image" in promote(slow, root).reason and not promote(slow, root).reason.startswith(
            "noth"
        )


def test_a_project_that_was_moved_says_where_its_models_are(params, tmp_path, monkeypatch):
    select(params, train(params, "head", "fair"))
    assert promote(params, Path.cwd()).promoted
    (tmp_path / "mlruns" / "artifacts").rename(tmp_path / "elsewhere")
    shutil.rmtree(CACHE)
    client = connect(params.record, Path.cwd())
    with pytest.raises(
        TransferlineError, match=r"files of version 1 of colors are missing: .* if the project was moved"
    ):
        named_model(client, params, Path.cwd(), CHAMPION)


def test_an_alias_that_was_moved_in_mlflow_is_named(params):
    root = Path.cwd()
    for phase, kernel in (("head", "fair"), ("fine_tune", "good")):
        select(params, train(params, phase, kernel))
        assert promote(params, root).promoted
    client = connect(params.record, root)
    client.set_registered_model_alias("colors", CHAMPION, "1")
    words = "champion of colors is at version 1, but by mlruns/ledger.jsonl version 2 is the champion"
    for call in (lambda: promote(params, root), lambda: rollback(params, root, "why", to="2")):
        with pytest.raises(TransferlineError, match=words):
            call()
    client.set_registered_model_alias("colors", CHAMPION, "2")
    assert rollback(params, root, "why").version == "1"


def test_a_dry_run_shows_the_decision_and_changes_nothing(params, capsys):
    select(params, train(params, "head", "good"))
    assert run_in_process("promote", "--dry-run") == 0
    said = capsys.readouterr().out
    assert (
        "accuracy" in said
        and "signature" in said
        and "the selected model: would be promoted, test accuracy 1.0000 is good enough" in said
    )
    client = connect(params.record, Path.cwd())
    assert not client.search_model_versions("name = 'colors'") and not ledger.read(Path.cwd())
    assert not TESTED_IMAGES.exists()
    assert json.loads((REPORT / "decision.json").read_text())["verdict"] == "promote"


@pytest.mark.slow
def test_a_promotion_says_that_the_tested_images_are_to_be_committed_if_there_are_new_ones(params, capsys):
    select(params, train(params, "head", "fair"))
    promote(params, Path.cwd())
    assert "promote: commit data/tested_images.txt" in capsys.readouterr().out
    assert len(former_test_images(Path.cwd())) == 24
    select(params, train(params, "fine_tune", "good"))
    assert promote(params, Path.cwd()).promoted
    assert "tested_images.txt" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_clone_without_a_registry_is_warned_that_its_first_model_is_not_the_first_champion(params, capsys):
    warning = "this clone has no registry of earlier champions"
    keep_test_set(Path.cwd(), ["f" * 64])  # of other data
    select(params, train(params, "head", "fair"))
    assert warning not in promote(params, Path.cwd(), dry_run=True).reason
    keep_test_set(Path.cwd(), pd.read_parquet("data/manifest.parquet")["sha256"][:5])
    capsys.readouterr()
    first = promote(params, Path.cwd())
    said = capsys.readouterr().out
    assert first.promoted and warning in first.reason and f"promote: warning: {warning}" in said
    assert "5 of these images" in said and "copy mlruns/" in said and "record.tracking_uri" in said
    assert warning in ledger.read(Path.cwd())[0].reason
    assert json.loads((REPORT / "decision.json").read_text())["warning"].startswith(warning)
    select(params, train(params, "fine_tune", "good"))
    assert warning not in promote(params, Path.cwd()).reason


@pytest.mark.slow
def test_force_promotes_in_spite_of_failed_gates_and_is_recorded(params):
    select(params, train(params, "head", "good"))
    promote(params, Path.cwd(), force="the fair is on Monday")
    select(params, train(params, "fine_tune", "fair"))
    with pytest.raises(TransferlineError, match="--force needs --reason"):
        run_in_process("promote", "--force")
    assert run_in_process("promote", "--force", "--reason", "blue is gone") == 0
    first, move = ledger.read(Path.cwd())
    assert not first.forced and first.reason.startswith("the fair is on Monday; test accuracy 1.0000 is good enough")
    assert move.forced and move.version == "2" and move.former == "1"
    assert move.reason.startswith("forced (blue is gone) although test accuracy 0.6667 is not better")
    assert json.loads((REPORT / "decision.json").read_text())["verdict"] == "promote, forced"


@pytest.mark.slow
def test_the_report_lists_every_gate_and_shows_what_changed_sides(params):
    select(params, train(params, "head", "good"))
    promote(params, Path.cwd())
    select(params, train(params, "fine_tune", "fair"))
    version = promote(params, Path.cwd()).version
    tree = json.loads((REPORT / "decision.json").read_text())
    names = [gate["name"] for gate in tree["gates"]]
    assert names[:2] == ["accuracy", "recall of each class"] and len(set(names)) == len(names) == len(GATES)
    assert {item["label"] for item in tree["regressions"]} == {"blue"} and len(tree["regressions"]) == 8
    assert tree["improvements"] == [] and tree["champion"]["version"] == "1"
    assert tree["counts"] == {"regressions": 8, "improvements": 0}
    client = connect(params.record, Path.cwd())
    run = client.get_model_version("colors", version).run_id
    assert {file.path for file in client.list_artifacts(run, "decision")} == {
        f"decision/{name}" for name in ("decision.json", "gain.png", "classes.png", "regressions.png")
    }


@pytest.mark.slow
def test_gates_on_the_model_itself_and_on_its_data(params):
    import numpy as np

    root, head = Path.cwd(), train(params, "head", "good")
    select(params, head)
    with np.load(head / "parity.npz") as stored:
        np.savez(head / "parity.npz", images=stored["images"], probabilities=stored["probabilities"] + 0.1)
    write_json(root / "reports" / "validation.json", {"success": False})
    gates = {gate.name: gate.state for gate in promote(params, root, dry_run=True).gates}
    assert (gates["reload"], gates["signature"], gates["validation"]) == ("failed", "passed", "failed")
    with pytest.raises(TransferlineError, match="sets a limit on the accuracy under corruptions"):
        promote(with_promote(params, min_corruption_accuracy=Limit(absolute=0.5)), root)


def test_a_tampered_model_is_refused_wherever_it_lies(params):
    root = Path.cwd()
    select(params, train(params, "head", "good"))
    promote(params, root)
    client = connect(params.record, root)
    cached = named_model(client, params, root, CHAMPION)
    (cached / "model.keras").write_bytes(b"other")
    with pytest.raises(TransferlineError, match=r"model\.keras is refused: .* Delete the folder .*colors-1-"):
        named_model(client, params, root, CHAMPION)
    for file in cached.iterdir():
        file.unlink()
    cached.rmdir()
    (stored,) = (root / "mlruns").rglob("MLmodel")
    stored.write_text(stored.read_text().replace("- blue", "- bleu"))
    with pytest.raises(TransferlineError, match=r"MLmodel is refused: .*store was changed: .*transferline rollback"):
        named_model(client, params, root, CHAMPION)
