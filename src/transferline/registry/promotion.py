"""Promotion: the selected model becomes the champion if it passes every gate on the current test set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.datasets.dvc_lock_file import require_trained_on
from transferline.datasets.tables import ImageTable, read_table
from transferline.datasets.tested_images import TESTED_IMAGES, former_test_images, keep_test_set
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.models.exported import LITE_FILE, MODEL_FILE, PARITY_FILE
from transferline.params import Params
from transferline.paths import EVALUATIONS, MANIFEST, METRICS, MODELS, VALIDATION_REPORT, require_outputs
from transferline.problems.metric_choice import check_metrics
from transferline.progress import say
from transferline.registry import last_refusal, ledger
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.champion import champion_of, require_recorded
from transferline.registry.champion_move import JOURNAL, move_champion, recover
from transferline.registry.recording import LATENCY_FILE, METRICS_FILE
from transferline.registry.registered_models import find_version, keep_copy, register, version_by_alias
from transferline.registry.tracking import connect, experiment_id
from transferline.registry.trained_data import trained_data
from transferline.selection import selected_names

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from transferline.registry.decision_files import Case
    from transferline.registry.gate_verdicts import Gate


NO_TEST_SET = (
    "there is no test set, which the decision needs; set data.split.test above 0, or, if the dataset has splits, give "
    "some of its images the split test"
)
Version = tuple[str, Mapping[str, str]]  # its number and its tags


@dataclass(frozen=True)
class Decision:
    """The result of a promotion.

    Attributes:
        promoted: whether the alias champion moved.
        reason: the reason, in a sentence.
        version: the selected model's version in the registry; None if it has none.
        gates: each gate with its verdict; empty if no gate was checked.
        accepted: whether the model passed the gates or was forced. In a dry run it can be true while `promoted` is
            false.
    """

    promoted: bool
    reason: str
    version: str | None
    gates: "tuple[Gate, ...]" = ()
    accepted: bool = False


def promote(params: Params, root: Path, dry_run: bool = False, force: str | None = None) -> Decision:
    """Registers the selected model as challenger and makes it the champion if it passes every gate.

    If an earlier call was killed while it moved the alias, this call first completes or undoes that move. If the model
    is the champion already, nothing else happens. After a decision not to promote, a call returns the same decision
    until something that the decision depends on changes. It decides anew in a dry run, with `force`, and if the latency
    gate had failed.

    It writes the decision to `reports/decision` and logs it to the challenger's MLflow run.

    Args:
        params: `promote` has the model's name and the settings of the gates.
        root: the project's folder.
        dry_run: only decide and write the report; do not register or promote the model.
        force: the reason to promote even if a gate fails. With None, a failed gate prevents the promotion.

    Raises:
        TransferlineError: no model is selected yet, a file of it is missing, `select.metric` does not exist, the
            selected model was not trained on the data of the manifest, a metric with a limit has no value, the smoke
            test failed, or MLflow does not answer.
    """
    check_metrics(params)
    folder, evaluation = selected_model(params, root)
    client = connect(params.record, root)
    recover(client, root)
    champion = version_by_alias(client, params.promote.model_name, CHAMPION)
    former = (str(champion.version), champion.tags) if champion else None
    require_recorded(params.record, root, params.promote.model_name, former and former[0])
    if decision := _decided_before(params, root, former, again=dry_run or force is not None):
        return decision
    require_trained_on(root, folder.parent.name, params.data.dataset)
    return _decide(params, root, folder, evaluation, _basis(params, root, former), dry_run, force)


def decided_before(params: Params, root: Path) -> Decision | None:
    """Returns the last decision on the selected model, if nothing that it depends on has changed.

    Importing MLflow takes seconds. This function does not import it if MLflow's store belongs to this project.

    Raises:
        TransferlineError: no model is selected yet, a file of it is missing, or MLflow does not answer.
    """
    if (root / JOURNAL).exists():
        return None  # a move was interrupted: `promote` finishes or undoes it
    champion = champion_of(params.record, root, params.promote.model_name)
    return _decided_before(params, root, (champion.version, champion.tags) if champion else None, again=False)


def _decided_before(params: Params, root: Path, champion: Version | None, again: bool) -> Decision | None:
    """Returns a decision if the selected model is the champion or was refused on the same basis; else None.

    With `again`, an earlier refusal does not count.
    """
    folder, evaluation = selected_model(params, root)
    require_outputs(folder / MODEL_FILE)
    if champion and champion[1].get("model_sha256") == file_sha256(folder / MODEL_FILE):
        return Decision(False, f"version {champion[0]} is already the champion", champion[0])
    models, metrics = (folder / LITE_FILE, folder / PARITY_FILE), (evaluation / METRICS_FILE, evaluation / LATENCY_FILE)
    require_outputs(*models, *metrics, root / VALIDATION_REPORT)
    _require_manifest(root)
    if again:
        return None
    if last := last_refusal.kept_refusal(root, _basis(params, root, champion)):
        return Decision(False, f"nothing has changed since the last decision: {last[1]}", last[0])
    return None


def _basis(params: Params, root: Path, champion: Version | None) -> str:
    folder, evaluation = selected_model(params, root)
    files = (folder / MODEL_FILE, evaluation / METRICS_FILE, root / MANIFEST, root / VALIDATION_REPORT)
    return last_refusal.basis(params, files, champion)


def _decide(
    params: Params, root: Path, folder: Path, evaluation: Path, basis: str, dry_run: bool, force: str | None
) -> Decision:
    """Checks the gates. If this is not a dry run, it also registers the model and moves the alias."""
    from transferline.registry.decision import decide_promotion  # SciPy's statistics take two seconds to import
    from transferline.registry.decision_files import write_decision
    from transferline.registry.gates import LATENCY
    from transferline.registry.model_comparison import load_with_card
    from transferline.registry.version_pages import describe_model, describe_version, model_card

    client, name = connect(params.record, root), params.promote.model_name
    known, champion = find_version(client, name, folder), version_by_alias(client, name, CHAMPION)
    number = str(known.version) if known else None
    table = read_table(root / MANIFEST)
    if table.of_split("test").empty:
        return Decision(False, NO_TEST_SET, number)
    loaded = load_with_card(folder)
    case = decide_promotion(params, root, table, folder, loaded, evaluation, champion, force)
    case = _warned(case, _lost_registry(client, params, root, table))
    report = write_decision(case, params, root, folder)
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
            keep_copy(version, root)
            if grown:
                say(f"promote: commit {TESTED_IMAGES}, so that every clone keeps these test images out of training")
        else:
            client.set_registered_model_alias(name, CHALLENGER, number)
            if not case.failed(LATENCY):  # a busy machine can fail this gate; then the next call measures again
                last_refusal.keep_refusal(root, basis, number, case.reason)
    return Decision(case.accepted and not dry_run, case.reason, number, tuple(case.gates), case.accepted)


def selected_model(params: Params, root: Path) -> tuple[Path, Path]:
    """Returns the model folder and the evaluation folder of the model that `select` chose.

    Raises:
        TransferlineError: `select` has not run, or the params do not name the candidate that it chose.
    """
    if (names := selected_names(root)) is None:
        raise TransferlineError(
            f"no model is selected yet, because {METRICS} is missing: run `transferline run` or `dvc repro`"
        )
    if names[0] not in params.candidates:
        raise TransferlineError(
            f"{METRICS} selects {', '.join(names)}, which params.yaml does not name; run `transferline run`, which "
            "selects again"
        )
    place = Path(*names)
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
    """Returns a warning if the registry has no version of the model although champions were tested on these images.

    Returns "" if there is nothing to warn about.
    """
    name = params.promote.model_name
    if client.search_model_versions(f"name = '{name}'", max_results=1):
        return ""
    tested = len(former_test_images(root).keys() & set(table.rows["sha256"]))
    if not tested:
        return ""
    return (
        f"this clone has no registry of earlier champions. They were tested on {tested} of these images (see "
        f"{TESTED_IMAGES}), but no version of {name} is registered at record.tracking_uri = "
        f"{params.record.tracking_uri}. Set record.tracking_uri to a server that all clones use, or copy mlruns/ from "
        "the machine that has it into a project at the same path (MLflow stores absolute paths)"
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
