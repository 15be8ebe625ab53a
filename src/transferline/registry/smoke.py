"""Smoke test of a registered model, run in a fresh process: `python -m transferline.registry.smoke URI MODEL VERSION`.

The last argument is an alias or a version's number.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from transferline import environment
from transferline.errors import TransferlineError
from transferline.evaluation.reloaded import check_parity
from transferline.registry.models import card_of, download, version_named
from transferline.registry.origin import ORIGIN

if TYPE_CHECKING:
    from mlflow import MlflowClient


def check(client: "MlflowClient", model: str, reference: str) -> None:
    """Loads a version through its signature, as MLflow's scoring server does, and compares its answers.

    Raises:
        TransferlineError: its file is not the registered one, or its answers are not those of the trained model.
    """
    import mlflow

    folder = download(version_named(client, model, reference))
    served = mlflow.pyfunc.load_model(str(folder))
    # the parts of a Keras model that the check uses
    check_parity(SimpleNamespace(predict_on_batch=served.predict), card_of(folder), folder / ORIGIN)


def main() -> None:
    """Entry point: exits with 1 and one message if the model fails."""
    uri, model, reference = sys.argv[1:]
    environment.prepare(Path.cwd())
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        check(mlflow.MlflowClient(uri), model, reference)
    except TransferlineError as error:
        sys.exit(f"error: {error}")
    except Exception as error:  # whatever Keras and MLflow raise on a file that they cannot load
        sys.exit(f"error: it cannot be loaded and asked: {type(error).__name__}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
