"""MLflow runs: one per training, recorded during the training, or later from its files if the store has no run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from transferline.hashes import file_sha256
from transferline.models.exported import HISTORY_FILE, MODEL_FILE, ModelCard, read_card
from transferline.params import Params
from transferline.processes import own_identity
from transferline.progress import say
from transferline.registry.killed_runs import close_dead_runs
from transferline.registry.lineage import provenance
from transferline.registry.run_pages import dataset_input, run_name, source_tags
from transferline.registry.tracking import connect, experiment_id
from transferline.registry.trained_data import trained_data

if TYPE_CHECKING:
    from mlflow import MlflowClient

HEAD_RUN = "head_run"  # the tag of a fine-tuning: the run of the head that it began with
NO_METRICS = ("phase", "boundary", "epoch", "seconds", "images_per_second")  # columns of an epoch's row

Listener = Callable[[dict[str, float | str]], None]


@contextmanager
def training_run(params: Params, card: ModelCard, folder: Path, parent: Path | None = None) -> Iterator[Listener]:
    """Records a training while it runs: yields a function that must be called with the row of each epoch.

    Args:
        params: the whole params, recorded with the run.
        card: the card of the model.
        folder: the model's folder, whose files are recorded at the end.
        parent: the folder of the head that is fine-tuned, if there is one; the tag `head_run` names its run.
    """
    root = Path.cwd()
    client = connect(params.record, root)
    for line in close_dead_runs(params, root):
        say(line)
    parent_run = find_or_replay(client, params, parent) if parent else None
    run = _create(client, params, card, {HEAD_RUN: parent_run} if parent_run else {})
    try:
        yield lambda row: _log_epoch(client, run, row)
        _sign(client, run, folder)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run, "FINISHED")


def find_or_replay(client: "MlflowClient", params: Params, folder: Path) -> str:
    """Returns the id of the run that trained the model in `folder`; without one, records it from the files."""
    card = read_card(folder)
    run = find_run(client, params, folder)
    if run is not None:
        return run
    parent = {}
    if card.phase == "fine_tune" and (folder.parent / "head" / MODEL_FILE).exists():
        parent = {HEAD_RUN: find_or_replay(client, params, folder.parent / "head")}
    run = _create(client, params, card, {"replayed": "yes", **parent})
    history = pd.read_csv(folder / HISTORY_FILE)
    for row in history.to_dict("records"):
        _log_epoch(client, run, {str(key): value for key, value in row.items()})
    _sign(client, run, folder)
    client.set_terminated(run, "FINISHED")
    say(f"{card.candidate} {card.phase}: MLflow had no run of this training; it is recorded from its files")
    return run


def find_run(client: "MlflowClient", params: Params, folder: Path) -> str | None:
    """Returns the id of the latest finished run that trained the model in `folder`."""
    query = f"tags.model_sha256 = '{file_sha256(folder / MODEL_FILE)}' and attributes.status = 'FINISHED'"
    experiment = experiment_id(client, params.record, Path.cwd())
    runs = client.search_runs([experiment], query, order_by=["attributes.start_time DESC"], max_results=1)
    return str(runs[0].info.run_id) if runs else None


def _create(client: "MlflowClient", params: Params, card: ModelCard, tags: dict[str, str]) -> str:
    from mlflow.entities import Param

    root = Path.cwd()
    data = trained_data(root, params.data.dataset)
    described = {"candidate": card.candidate, "phase": card.phase, **provenance(root, data), **tags}
    described |= own_identity().tags() | source_tags(root, described.get("git_commit", ""))
    experiment = experiment_id(client, params.record, root)
    run = client.create_run(experiment, tags=described, run_name=run_name(card, data))
    client.log_inputs(run.info.run_id, [dataset_input(data)])
    section = params.candidates[card.candidate].model_dump(mode="json", exclude_none=True)
    section.pop("train_head" if card.phase == "fine_tune" else "fine_tune", None)
    settings = {"seed": params.seed, "data": params.data.model_dump(mode="json"), **section}
    settings["augment"] = params.augment.model_dump(mode="json")
    pairs = [Param(key, str(value)) for key, value in _flatten(settings).items()]
    client.log_batch(run.info.run_id, params=pairs)
    client.log_dict(run.info.run_id, params.model_dump(mode="json", by_alias=True), "params.json")
    return str(run.info.run_id)


def _flatten(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _log_epoch(client: "MlflowClient", run: str, row: dict[str, float | str]) -> None:
    from mlflow.entities import Metric

    now, step = int(time.time() * 1000), int(row["epoch"])
    values = {f"train/{key}": float(value) for key, value in row.items() if key not in NO_METRICS}
    client.log_batch(run, [Metric(key, value, now, step) for key, value in values.items()])


def _sign(client: "MlflowClient", run: str, folder: Path) -> None:
    """Writes the sha256 of the trained model as a tag of the run."""
    client.set_tag(run, "model_sha256", file_sha256(folder / MODEL_FILE))
