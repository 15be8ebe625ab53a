"""A registered version is loaded by MLflow alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.registry_project import select, train
from transferline.errors import TransferlineError
from transferline.registry.promotion import promote
from transferline.registry.registered_models import (
    named_model,
)
from transferline.registry.tracking import connect, tracking_uri

ASK = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "transferline"]))  # as where they are not installed
import mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/colors@champion")
np.save(sys.argv[2], model.predict(np.load(sys.argv[3])))
"""


@pytest.mark.slow
def test_a_version_is_loaded_by_mlflow_alone_as_pyfunc_and_as_a_keras_model(params, tmp_path, monkeypatch):
    import keras
    import mlflow

    folder = train(params, "head", "good")
    select(params, folder)
    assert promote(params, Path.cwd()).promoted
    with np.load(folder / "parity.npz") as stored:
        images, trained = stored["images"], stored["probabilities"]
    np.save(tmp_path / "images.npy", images)
    uri, env = tracking_uri(params.record, Path.cwd()), {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", ASK, uri, tmp_path / "said.npy", tmp_path / "images.npy"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), trained, atol=1e-5)
    again = mlflow.keras.load_model("models:/colors@champion")
    assert isinstance(again, keras.Model)
    np.testing.assert_array_equal(again(images, training=False), trained)


def test_a_version_of_before_is_refused_with_what_to_do(params):
    select(params, train(params, "head", "good"))
    promote(params, Path.cwd())
    client = connect(params.record, Path.cwd())
    client.delete_model_version_tag("colors", "1", "tflite_sha256")
    with pytest.raises(TransferlineError, match=r"version 1 of colors was registered by transferline 0\.1"):
        named_model(client, params, Path.cwd(), "1")
