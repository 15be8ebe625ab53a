"""A model in MLflow's format, with the flavours `keras`, to continue training, and `python_function`, to predict.

This module writes both, because `mlflow.keras` imports TensorFlow and saves the model again. Here, the model's files
are copies of those that the training wrote. `mlflow.models.Model.log` uses this module as a flavour.
"""

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transferline.models.exported import LITE_FILE, MODEL_FILE

CODE = Path(__file__).with_name("transferline_litert.py")
DATA, CODE_FOLDER = "data", "code"
PACKAGES = ("mlflow", "numpy", "ai-edge-litert")  # what `mlflow.pyfunc.load_model` needs
REQUIREMENTS, ENVIRONMENT = "requirements.txt", "python_env.yaml"
# the files that determine the predictions of a version, and the tags with their sha256;
# MLmodel holds the order of the classes
HASHED = {
    f"{DATA}/{LITE_FILE}": "tflite_sha256",
    f"{DATA}/{MODEL_FILE}": "model_sha256",
    f"{CODE_FOLDER}/{CODE.name}": "code_sha256",
    "MLmodel": "mlmodel_sha256",
}


def save_model(path: str, mlflow_model: Any, folder: Path, signature: Any) -> None:
    """Writes an MLflow model.

    Args:
        path: the folder to create.
        mlflow_model: the `mlflow.models.Model` that is logged.
        folder: holds `model.keras` and `model.tflite`.
        signature: of `python_function`.
    """
    import mlflow

    target = Path(path)
    (target / DATA).mkdir(parents=True)
    (target / CODE_FOLDER).mkdir()
    for file in (MODEL_FILE, LITE_FILE):
        shutil.copyfile(folder / file, target / DATA / file)
    shutil.copyfile(CODE, target / CODE_FOLDER / CODE.name)
    (target / DATA / "keras_module.txt").write_text("keras", encoding="utf-8")
    lines = [f"{package}=={version(package)}\n" for package in PACKAGES]
    (target / REQUIREMENTS).write_text("".join(lines), encoding="utf-8")
    (target / ENVIRONMENT).write_text(
        f"python: {platform.python_version()}\nbuild_dependencies: []\ndependencies: [-r {REQUIREMENTS}]\n",
        encoding="utf-8",
    )
    mlflow_model.signature = signature
    mlflow_model.add_flavor(
        "keras", data=DATA, keras_version=version("keras"), keras_backend="tensorflow", save_exported_model=False
    )
    mlflow.pyfunc.add_to_model(
        mlflow_model,
        loader_module=CODE.stem,
        data=f"{DATA}/{LITE_FILE}",
        code=CODE_FOLDER,
        python_env={"virtualenv": ENVIRONMENT},
    )
    mlflow_model.save(str(target / "MLmodel"))
