"""Promotion with the real MLflow after a rollback, after images moved between splits, and with relative limits."""

from pathlib import Path

import pytest

from tests.registry_project import select, train, with_promote
from tests.test_report import read
from transferline.datasets.tables import ImageTable, read_table, write_table
from transferline.errors import TransferlineError
from transferline.params import Adversarial, Limit, Robustness
from transferline.paths import MANIFEST
from transferline.registry import ledger
from transferline.registry.promotion import decided_before, promote
from transferline.registry.rollback import rollback


@pytest.mark.slow
def test_a_model_that_was_rolled_back_stays_out_until_something_changes(params):
    root = Path.cwd()
    for phase, kernel in (("head", "fair"), ("fine_tune", "good")):
        select(params, train(params, phase, kernel))
        assert promote(params, root).promoted
    rollback(params, root, "it mixes up metal")
    assert decided_before(params, root) is None  # so `run` does not call it nothing to do
    refused = promote(params, root, dry_run=True)
    assert not refused.accepted and "this model is version 2, which" in refused.reason
    assert "rolled back on" in refused.reason and "(it mixes up metal)" in refused.reason
    assert promote(params, root).reason == refused.reason
    assert decided_before(params, root).reason == f"nothing has changed since the last decision: {refused.reason}"
    Path("models/small/fine_tune/model.keras").write_bytes(
        Path("models/small/fine_tune/model.keras").read_bytes() + b"\0"
    )  # a new training gives the same exported model, but another Keras file
    assert "rolled back on" in promote(params, root, dry_run=True).reason

    changed = with_promote(params, max_class_drop=0.2)
    assert promote(changed, root, dry_run=True).accepted
    assert promote(params, root, force="it was the camera").promoted
    assert "rolled back on" in ledger.read(root)[-1].reason and ledger.read(root)[-1].forced
    assert promote(params, root).reason == "version 3 is already the champion"
    history = ledger.history(ledger.read(root), "colors")
    assert "it was the camera" in history and "it mixes up metal" in history


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["corruption", "adversarial"])
def test_a_relative_limit_on_robustness_measures_both_models_on_the_same_images(params, capsys, kind):
    root, weak = Path.cwd(), Adversarial(attacks=("fgsm",), epsilons=(1,), steps=1)
    robustness = Robustness(images=12, corruptions=("darkness",), adversarial=weak)
    evaluate = params.evaluate.model_copy(update={"robustness": robustness})
    for phase, kernel in (("head", "good"), ("fine_tune", "fair")):
        select(params, train(params, phase, kernel))
        promote(params.model_copy(update={"evaluate": evaluate}), root)
    assert "robustness" not in capsys.readouterr().out  # no relative limit asks for it
    limited = with_promote(params, **{f"min_{kind}_accuracy": Limit(relative=0.99)})
    decision = promote(limited.model_copy(update={"evaluate": evaluate}), root, dry_run=True)
    name = {"corruption": "accuracy under corruptions", "adversarial": "accuracy under attacks"}[kind]
    gate = next(one for one in decision.gates if one.name == name)
    assert gate.state == "failed" and 0 < gate.figures["challenger"] < gate.figures["champion"]
    said = capsys.readouterr().out
    assert said.count("robustness small") == 2 and "promote: robustness of 2 models on the same 12 images" in said


def test_images_that_the_champion_was_trained_on_are_left_out_of_the_comparison(params):
    root = Path.cwd()
    table = read_table(MANIFEST)
    splits = table.rows["split"].mask(table.rows["path"].str.contains("1[01].png"), "train")
    write_table(ImageTable(table.rows.assign(split=splits), table.classes), MANIFEST)
    select(params, train(params, "head", "fair"))
    promote(params, root)
    moved = splits.mask(splits == "train", "test")
    write_table(ImageTable(table.rows.assign(split=moved), table.classes), MANIFEST)
    select(params, train(params, "fine_tune", "good"))
    decision = promote(params, root, dry_run=True)
    assert decision.accepted and "on the same 24 images" in decision.reason
    gate = next(one for one in decision.gates if one.name == "unseen images")
    assert gate.figures == {"images": 24, "left_out": 6}
    table_of_models = read(params)[1].sections["Decision"]
    assert "Both models are compared on 24 images of the test split. 6 others are left out" in table_of_models
    assert "The test split has" not in table_of_models

    only = splits.map({"train": "test", "validation": "validation", "test": "train"})
    write_table(ImageTable(table.rows.assign(split=only), table.classes), MANIFEST)
    with pytest.raises(TransferlineError, match=r"trained on all 6 test images, .* promote\.model_name"):
        promote(params, root)
