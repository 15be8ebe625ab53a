"""MLflow runs whose training was killed."""

from pathlib import Path

from transferline.params import Params
from transferline.processes import Identity
from transferline.registry.tracking import connect


def close_dead_runs(params: Params, root: Path) -> list[str]:
    """Ends the experiment's open runs whose process ran on this host and no longer exists.

    Returns:
        A sentence for each run that was ended.

    Raises:
        TransferlineError: MLflow does not answer.
    """
    client = connect(params.record, root)
    experiment = client.get_experiment_by_name(params.record.experiment)
    done = []
    for run in client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'") if experiment else []:
        process = Identity.of(run.data.tags)
        if process and process.is_dead():
            client.set_terminated(run.info.run_id, "FAILED")
            done.append(f"MLflow run {run.info.run_name} ({run.info.run_id}) was still open: set to failed")
    return done
