"""The trials of `tune` as MLflow runs, in an experiment of their own, where they can be compared."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.params import Params
from transferline.processes import own_identity
from transferline.registry.lineage import provenance
from transferline.registry.run_pages import dataset_input
from transferline.registry.tracking import connect, experiment_id
from transferline.registry.trained_data import trained_data
from transferline.tuning.search_space import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUFFIX = "-tune"  # of the experiment's name


@dataclass(frozen=True)
class TrialRuns:
    """Records trials of one search.

    Attributes:
        client: of MLflow.
        experiment: the id of the experiment.
        params: the whole params.
        search: the name of the search, a tag of its runs.
    """

    client: "MlflowClient"
    experiment: str
    params: Params
    search: str

    def record(
        self, settings: Settings, state: str, metric: str, value: float | None, images: int, seconds: float | None
    ) -> None:
        """Records a trial.

        Args:
            settings: what it tried.
            state: `head`, `present` (the candidate as it is), `complete`, `stopped` (by successive halving),
                `diverged`, `failed` or `final` (on repeated splits).
            metric: its name.
            value: of the metric on validation; None if there is none.
            images: the number of validation predictions.
            seconds: its wall time; None if it is not measured.
        """
        from mlflow.entities import Metric, Param

        root, now = Path.cwd(), int(time.time() * 1000)
        data = trained_data(root, self.params.data.dataset)
        tags = {"tune": self.search, "state": state, **provenance(root, data), **own_identity().tags()}
        run = self.client.create_run(self.experiment, tags=tags, run_name=f"{state}: {settings}"[:250])
        self.client.log_inputs(run.info.run_id, [dataset_input(data)])
        named = {f"validation/{metric}": value, "validation/n": images, "train/seconds": seconds}
        values = {name: number for name, number in named.items() if number is not None}
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, number, now, 0) for name, number in values.items()],
            params=[Param(name, str(setting)) for name, setting in settings.tree().items()],
        )
        self.client.set_terminated(run.info.run_id, "FINISHED")


def open_runs(params: Params, search: str) -> TrialRuns:
    """Connects to MLflow; creates the experiment if it is missing.

    Raises:
        TransferlineError: MLflow does not answer.
    """
    root = Path.cwd()
    client = connect(params.record, root)
    record = params.record.model_copy(update={"experiment": f"{params.record.experiment}{SUFFIX}"})
    return TrialRuns(client, experiment_id(client, record, root), params, search)
