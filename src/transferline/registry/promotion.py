"""Promotion: the selected model becomes the champion if it passes every gate on today's test set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.datasets.dvc_lock_file import require_trained_on
from transferline.datasets.tables import ImageTable, read_table
from transferline.datasets.tested_images import TESTED_IMAGES, former_test_images, keep_test_set
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.models.exported import MODEL_FILE
from transferline.params import Params
from transferline.paths import EVALUATIONS, MANIFEST, METRICS, MODELS, VALIDATION_REPORT
from transferline.progress import say
from transferline.registry import last_refusal, ledger
from transferline.registry.champion import champion_of
from transferline.registry.champion_move import JOURNAL, move_champion, recover
from transferline.registry.registered_models import (
    CHALLENGER,
    CHAMPION,
    fetch_version,
    find_version,
    register,
    version_by_alias,
)
from transferline.registry.tracking import connect, experiment_id
from transferline.registry.trained_data import trained_data

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from transferline.registry.decision_report import Case
    from transferline.registry.gate_verdicts import Gate


Version = tuple[str, Mapping[str, str]]  # its number and its tags


@dataclass(frozen=True)
class Decision:
    """What promotion decided.

    Attributes:
        promoted: whether the alias champion moved.
        reason: why, in a sentence.
        version: the selected model's version in the registry; None in a dry run of one that is not registered.
        gates: each with its verdict; empty where there was nothing to decide.
        accepted: whether it passed, or was forced; a dry run then still promotes nothing.
    """

    promoted: bool
    reason: str
    version: str | None
    gates: "tuple[Gate, ...]" = ()
    accepted: bool = False


def promote(params: Params, root: Path, dry_run: bool = False, force: str | None = None) -> Decision:
    """Registers the selected model as challenger and makes it the champion if it passes every gate.

    Run again, it changes nothing; what a killed run left is finished or undone first. The decision is written to
    `reports/decision`, and logged to the challenger's MLflow run. One not to promote is not made again while all that
    it follows from stays, but in a dry run.

    Args:
        params: what is promoted, and the gates.
        root: the project's folder.
        dry_run: only decide, and write the report.
        force: the reason to promote in spite of failed gates; None to obey them.

    Raises:
        TransferlineError: nothing is selected yet, what is selected was trained on other data than that of the
            manifest, a limit has no figure, the smoke test failed, or MLflow does not answer.
    """
    folder, evaluation = selected_model(root)
    client = connect(params.record, root)
    recover(client, root)
    champion = version_by_alias(client, params.promote.model_name, CHAMPION)
    former = (str(champion.version), champion.tags) if champion else None
    if decision := _decided_before(params, root, former, again=dry_run or force is not None):
        return decision
    require_trained_on(root, folder.parent.name, params.data.dataset)
    return _decide(params, root, folder, evaluation, _basis(params, root, former), dry_run, force)


def decided_before(params: Params, root: Path) -> Decision | None:
    """The decision on the selected model, if one was made and all that it follows from is as it was then.

    Where MLflow's store is the project's own, MLflow is not asked, whose import takes seconds.

    Raises:
        TransferlineError: nothing is selected yet, or MLflow does not answer.
    """
    if (root / JOURNAL).exists():
        return None  # a move was interrupted: `promote` finishes or undoes it
    champion = champion_of(params.record, root, params.promote.model_name)
    return _decided_before(params, root, (champion.version, champion.tags) if champion else None, again=False)


def _decided_before(params: Params, root: Path, champion: Version | None, again: bool) -> Decision | None:
    """The selected model is the champion, or, unless that is to be decided again, it was refused on the same basis."""
    folder, _ = selected_model(root)
    if champion and champion[1].get("model_sha256") == file_sha256(folder / MODEL_FILE):
        return Decision(False, f"version {champion[0]} is the champion already", champion[0])
    _require_manifest(root)
    if again:
        return None
    if last := last_refusal.kept_refusal(root, _basis(params, root, champion)):
        return Decision(False, f"nothing has changed since it was decided: {last[1]}", last[0])
    return None


def _basis(params: Params, root: Path, champion: Version | None) -> str:
    folder, evaluation = selected_model(root)
    files = (folder / MODEL_FILE, evaluation / "metrics.json", root / MANIFEST, root / VALIDATION_REPORT)
    return last_refusal.basis(params, files, champion)


def _decide(
    params: Params, root: Path, folder: Path, evaluation: Path, basis: str, dry_run: bool, force: str | None
) -> Decision:
    """Judges the model by the gates, and does what follows unless it is a dry run."""
    from transferline.registry.decision import decide_promotion  # SciPy's statistics take two seconds to import
    from transferline.registry.decision_report import REPORT, write_decision
    from transferline.registry.gates import LATENCY
    from transferline.registry.model_comparison import load_with_card
    from transferline.registry.version_pages import describe_model, describe_version, model_card

    client, name = connect(params.record, root), params.promote.model_name
    known, champion = find_version(client, name, folder), version_by_alias(client, name, CHAMPION)
    number = str(known.version) if known else None
    table = read_table(root / MANIFEST)
    if table.of_split("test").empty:
        return Decision(False, "there is no test set to decide on; set data.split.test", number)
    loaded = load_with_card(folder)
    case = decide_promotion(params, root, table, folder, loaded, evaluation, champion, force)
    case = _warned(case, _lost_registry(client, params, root, table))
    report = write_decision(case, params, root)
    if not dry_run:
        data = trained_data(root, params.data.dataset)
        card = model_card(params, loaded[1], evaluation, data)
        version = register(client, params, root, folder, loaded, evaluation, card)
        number = str(version.version)
        describe_model(client, name, loaded[1], data)
        describe_version(client, version, card, case, params.select.metric, experiment_id(client, params.record, root))
        client.log_artifacts(str(version.run_id), str(report), "decision")
        if case.accepted:
            grown = keep_test_set(root, table.of_split("test")["sha256"])
            move_champion(client, root, _move(params, version, champion, case))
            fetch_version(version, root)  # `predict` then needs no MLflow
            if grown:
                say(f"promote: commit {TESTED_IMAGES}, so that every clone keeps these test images out of training")
        else:
            client.set_registered_model_alias(name, CHALLENGER, number)
            if not case.failed(LATENCY):  # the machine may have been busy
                last_refusal.keep_refusal(root, basis, number, case.reason)
    say(f"promote: every gate, and the images that changed sides: {REPORT / 'index.html'}")
    return Decision(case.accepted and not dry_run, case.reason, number, tuple(case.gates), case.accepted)


def selected_model(root: Path) -> tuple[Path, Path]:
    """The model folder and the evaluation folder of the model that `select` chose."""
    metrics = root / METRICS
    if not metrics.exists():
        raise TransferlineError(f"nothing is selected yet, {METRICS} is missing: run `transferline run` or `dvc repro`")
    chosen = json.loads(metrics.read_text(encoding="utf-8"))["selected"]
    place = Path(chosen["candidate"]) / chosen["phase"]
    return root / MODELS / place, root / EVALUATIONS / place


def _require_manifest(root: Path) -> None:
    if not (root / MANIFEST).exists():
        raise TransferlineError(
            f"{MANIFEST} is missing: `validate` has not accepted the data; `transferline run` shows why"
        )


def _warned(case: "Case", warning: str) -> "Case":
    if not warning:
        return case
    say(f"promote: warning: {warning}")
    return replace(case, warning=warning, reason=f"{case.reason}; warning: {warning}")


def _lost_registry(client: "MlflowClient", params: Params, root: Path, table: ImageTable) -> str:
    """What to think of where champions were tested on these images, but the registry has no version of the model."""
    name = params.promote.model_name
    if client.search_model_versions(f"name = '{name}'", max_results=1):
        return ""
    tested = len(former_test_images(root).keys() & set(table.rows["sha256"]))
    if not tested:
        return ""
    return (
        "this clone has no registry; the first model here is not the first champion: earlier ones were tested on "
        f"{tested} of these images ({TESTED_IMAGES}), and no version of {name} is registered at record.tracking_uri = "
        f"{params.record.tracking_uri}. Set record.tracking_uri to a server that both use, or copy mlruns/ from the "
        "machine that has it into a project at the same path (MLflow keeps whole paths)"
    )


def _move(params: Params, version: "ModelVersion", champion: "ModelVersion | None", case: "Case") -> ledger.Move:
    metric = params.select.metric
    return ledger.Move(
        kind="promotion",
        model=version.name,
        former=str(champion.version) if champion else None,
        version=str(version.version),
        reason=case.reason,
        forced=case.forced,
        figure=f"{metric} {case.challenger.metrics[metric]:.4f}",
        test_set=case.test_set,
        **ledger.provenance_of(version),
    )
