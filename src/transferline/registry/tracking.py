"""The connection to MLflow."""

from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from transferline.errors import TransferlineError, system_cause
from transferline.params import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient


def tracking_uri(record: Record, root: Path) -> str:
    """Returns the tracking URI; a relative path of an SQLite file is relative to the project's folder."""
    scheme, path = record.tracking_uri.split(":///", 1) if ":///" in record.tracking_uri else ("", "")
    if scheme != "sqlite" or path.startswith("/"):
        return record.tracking_uri
    return f"sqlite:///{(root / path).resolve()}"


def is_own_store(uri: str, root: Path) -> bool:
    """Whether MLflow's store is a file of this project, so that only this project's commands move the alias."""
    return uri.startswith("sqlite:///") and Path(uri.removeprefix("sqlite:///")).is_relative_to(root.resolve())


def connect(record: Record, root: Path) -> "MlflowClient":
    """Returns a client of the tracking server and registry, and sets both for MLflow's own functions.

    Raises:
        TransferlineError: MLflow does not answer.
    """
    import mlflow

    uri = tracking_uri(record, root)
    mlflow.set_tracking_uri(uri)
    try:
        prepare_database(record, root)
        with _alone(root):
            client = mlflow.MlflowClient(uri)
            client.search_experiments(max_results=1)
    except Exception as error:
        if cause := system_cause(str(error)):
            raise TransferlineError(f"{cause} (MLflow at record.tracking_uri = {record.tracking_uri})") from error
        raise TransferlineError(
            f"MLflow at record.tracking_uri = {record.tracking_uri} does not answer: {str(error).splitlines()[0]}. "
            "Start the server, or set record.tracking_uri to sqlite:///mlruns/mlflow.db"
        ) from error
    return client


def prepare_database(record: Record, root: Path) -> None:
    """Creates the SQLite database of `record.tracking_uri` if it is missing; does nothing for a server."""
    uri = tracking_uri(record, root)
    if uri.startswith("sqlite:///"):
        from transferline.workarounds import prepare_mlflow_database  # imports DVC

        with _alone(root):
            prepare_mlflow_database(Path(uri.removeprefix("sqlite:///").partition("?")[0]))


def experiment_id(client: "MlflowClient", record: Record, root: Path) -> str:
    """Returns the experiment's id. A missing experiment is created; local artifacts are in `mlruns/artifacts`."""
    local = record.tracking_uri.startswith("sqlite")
    location = (root / "mlruns" / "artifacts" / record.experiment).resolve().as_uri() if local else None
    with _alone(root):
        found = client.get_experiment_by_name(record.experiment)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(record.experiment, artifact_location=location))


def _alone(root: Path) -> FileLock:
    """Returns the lock for creating tables or an experiment: MLflow fails if two stages create them at once."""
    folder = root / ".transferline"
    folder.mkdir(exist_ok=True)
    return FileLock(folder / "mlflow")
