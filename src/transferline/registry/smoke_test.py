"""Smoke test of a registered model, which `transferline smoke` runs in a fresh process."""

from typing import TYPE_CHECKING

from transferline.errors import TransferlineError
from transferline.models.exported import check_parity
from transferline.registry.registered_models import download_version, version_named
from transferline.registry.version_cache import card_of
from transferline.registry.version_files import ORIGIN

if TYPE_CHECKING:
    from mlflow import MlflowClient


def check(client: "MlflowClient", model: str, reference: str) -> None:
    """Loads a version through its signature, as MLflow's scoring server does, and compares its answers.

    Raises:
        TransferlineError: its file is not the registered one, or its answers are not those of the trained model.
    """
    import mlflow

    folder = download_version(version_named(client, model, reference))
    served = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)  # they take a second to look for
    check_parity(served.predict, card_of(folder), folder / ORIGIN)


def smoke(uri: str, model: str, reference: str) -> None:
    """`check` at a tracking URI.

    Raises:
        TransferlineError: as `check`, or the model cannot be loaded or asked.
    """
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        check(mlflow.MlflowClient(uri), model, reference)
    except TransferlineError:
        raise
    except Exception as error:  # whatever LiteRT and MLflow raise on a file that they cannot load
        raise TransferlineError(
            f"it cannot be loaded and asked: {type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
