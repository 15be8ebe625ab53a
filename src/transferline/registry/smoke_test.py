"""Smoke test of a registered model, which `transferline smoke` runs in a new process."""

from typing import TYPE_CHECKING

from transferline.errors import TransferlineError
from transferline.models.exported import check_parity
from transferline.registry.registered_models import download_version, version_named
from transferline.registry.version_cache import card_of
from transferline.registry.version_files import ORIGIN

if TYPE_CHECKING:
    from mlflow import MlflowClient


def check(client: "MlflowClient", model: str, reference: str) -> None:
    """Loads a version with its signature, as MLflow's scoring server does, and compares its predictions.

    Raises:
        TransferlineError: a file is not the registered one, or predictions differ from those of the trained model.
    """
    import mlflow

    folder = download_version(version_named(client, model, reference))
    served = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)  # looking for warnings takes a second
    check_parity(served.predict, card_of(folder), folder / ORIGIN)


def smoke(uri: str, model: str, reference: str) -> None:
    """Runs `check` at a tracking URI.

    Raises:
        TransferlineError: see `check`; or the model cannot be loaded, or fails to predict.
    """
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        check(mlflow.MlflowClient(uri), model, reference)
    except TransferlineError:
        raise
    except Exception as error:  # LiteRT and MLflow raise many kinds of errors for a bad file
        raise TransferlineError(
            f"the model cannot be loaded or fails to predict: {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
