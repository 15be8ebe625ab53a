"""Registered models: put one into MLflow's registry, and bring one back as a model folder."""

import json
import shutil
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.errors import TransferlineError
from transferline.models.exported import MODEL_FILE, ModelCard, load_model, read_card, write_card
from transferline.params import Params
from transferline.paths import VALIDATION_REPORT
from transferline.registry.provenance import file_sha256, provenance
from transferline.registry.runs import find_or_replay

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
CACHE = Path(".transferline") / "models"


def find_version(client: "MlflowClient", name: str, folder: Path) -> "ModelVersion | None":
    """The registered version of the model in `folder`, if there is one."""
    sha256 = file_sha256(folder / MODEL_FILE)
    versions = client.search_model_versions(f"name = '{name}' and tags.model_sha256 = '{sha256}'")
    return versions[0] if versions else None


def version_by_alias(client: "MlflowClient", name: str, alias: str) -> "ModelVersion | None":
    """The version that carries an alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def register(client: "MlflowClient", params: Params, root: Path, folder: Path) -> "ModelVersion":
    """Registers the model in `folder` with its signature and where it comes from; one that is registered already is
    returned as it is."""
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    name = params.promote.model_name
    found = find_version(client, name, folder)
    if found is not None:
        return found
    run, card, model = find_or_replay(client, params, folder), read_card(folder), load_model(folder)
    inputs = Schema([TensorSpec(np.dtype("uint8"), (-1, *model.input_shape[1:]), "image")])
    outputs = Schema([TensorSpec(np.dtype("float32"), (-1, *model.output_shape[1:]))])
    report = root / VALIDATION_REPORT
    tags = {
        **provenance(root, params.data.dataset),
        "model_sha256": file_sha256(folder / MODEL_FILE),
        "candidate": card.candidate,
        "phase": card.phase,
        "validation": "passed" if json.loads(report.read_text(encoding="utf-8"))["success"] else "failed",
        "validation_sha256": file_sha256(report),
    }
    ended = client.get_run(run).info.end_time
    with mlflow.start_run(run_id=run, log_system_metrics=False):
        logged = mlflow.keras.log_model(
            model,
            name="model",
            signature=ModelSignature(inputs, outputs),
            metadata=card.model_dump(mode="json"),
            pip_requirements=[
                f"{package}=={installed(package)}" for package in ("keras", "tensorflow")
            ],  # else it finds out, slowly
        )
    client.set_terminated(run, "FINISHED", ended)  # logging a model into a run that has ended moves its end
    registered = mlflow.register_model(logged.model_uri, name, tags=tags)
    return client.get_model_version(name, registered.version)


def fetch(client: "MlflowClient", version: "ModelVersion", root: Path) -> Path:
    """A model folder with a registered version, from the local cache if it was fetched before."""
    import mlflow

    folder = root / CACHE / f"{version.name}-{version.version}-{version.tags.get('model_sha256', '')[:12]}"
    if (folder / MODEL_FILE).exists():
        return folder
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    downloaded = Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}"))
    shutil.copyfile(downloaded / "data" / MODEL_FILE, partial / MODEL_FILE)
    metadata = mlflow.models.Model.load(str(downloaded)).metadata
    write_card(ModelCard.model_validate(metadata), partial)
    partial.rename(folder)
    return folder


def named_model(client: "MlflowClient", params: Params, root: Path, model: str) -> Path:
    """The folder of a model named by an alias, a version's number, or the path of a model folder.

    Raises:
        TransferlineError: there is none.
    """
    if (Path(model) / MODEL_FILE).exists():
        return Path(model)
    name = params.promote.model_name
    if model.isdecimal():
        versions = client.search_model_versions(f"name = '{name}' and version_number = {model}")
        version = versions[0] if versions else None
    else:
        version = version_by_alias(client, name, model)
    if version is None:
        hint = "`transferline run` trains and promotes one" if model == CHAMPION else "`transferline ui` shows them"
        raise TransferlineError(f"the registry has no {model} of the model {name} yet; {hint}")
    return fetch(client, version, root)
