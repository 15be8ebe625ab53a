"""Registered models: registers a model in MLflow, and fetches a version as a model folder."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.atomic_files import completed_folder
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.models.exported import LITE_FILE, MODEL_FILE
from transferline.models.training_distance import NOVELTY_FILE
from transferline.params import Params
from transferline.paths import INSIGHT, VALIDATION_REPORT
from transferline.progress import say
from transferline.registry import mlflow_model
from transferline.registry.aliases import CHAMPION
from transferline.registry.lineage import provenance
from transferline.registry.mlflow_model import DATA, HASHED
from transferline.registry.runs import find_or_replay
from transferline.registry.trained_data import TrainedData, trained_data
from transferline.registry.version_cache import (
    CACHE,
    NOVELTY_TAG,
    cached_folder,
    check_cached,
    lock_of,
    novelty_file,
    verify_files,
)
from transferline.registry.version_files import MODEL_CARD, ORIGIN, copy_version_files
from transferline.text import reason_of

MOST_DIGITS = 9  # of a version's number; MLflow's databases cannot search for one of 64 bits

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from transferline.registry.model_comparison import LoadedModel


def find_version(client: "MlflowClient", name: str, folder: Path) -> "ModelVersion | None":
    """Returns the registered version of the model in `folder`, if there is one."""
    sha256 = file_sha256(folder / MODEL_FILE)
    versions = client.search_model_versions(f"name = '{name}' and tags.model_sha256 = '{sha256}'")
    return versions[0] if versions else None


def version_by_alias(client: "MlflowClient", name: str, alias: str) -> "ModelVersion | None":
    """Returns the version with an alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def version_named(client: "MlflowClient", name: str, reference: str) -> "ModelVersion":
    """Returns the version with an alias or a number.

    Raises:
        TransferlineError: there is no such version.
    """
    if reference.isdecimal():
        number = int(reference) if len(reference) <= MOST_DIGITS else 0  # no version has the number 0
        versions = client.search_model_versions(f"name = '{name}' and version_number = {number}")
        version = versions[0] if versions else None
    else:
        version = version_by_alias(client, name, reference)
    if version is None:
        hint = "`transferline run` trains and promotes one" if reference == CHAMPION else "`transferline ui` shows them"
        raise TransferlineError(f"the registry has no {reference} of the model {name} yet; {hint}")
    return version


def register(
    client: "MlflowClient", params: Params, root: Path, folder: Path, loaded: "LoadedModel", evaluation: Path, text: str
) -> "ModelVersion":
    """Registers the model in `folder`, `loaded` from there, with its signature, its files, its card and its origin.

    See `copy_version_files` for the origin; `text` is the model card. A model that is already registered is returned
    unchanged.
    """
    import mlflow

    name = params.promote.model_name
    found = find_version(client, name, folder)
    if found is not None:
        return found
    run, (_, card) = find_or_replay(client, params, folder), loaded
    data = trained_data(root, params.data.dataset)
    logged = _log(client, run, root, folder, loaded, evaluation, data, text)
    report, stored = root / VALIDATION_REPORT, Path(mlflow.artifacts.download_artifacts(logged))
    novelty = stored / ORIGIN / INSIGHT.name / NOVELTY_FILE
    tags = {
        **provenance(root, data),
        **data.class_tag(),
        **{tag: file_sha256(stored / file) for file, tag in HASHED.items()},
        **({NOVELTY_TAG: file_sha256(novelty)} if novelty.exists() else {}),
        "candidate": card.candidate,
        "phase": card.phase,
        "validation": "passed" if json.loads(report.read_text(encoding="utf-8"))["success"] else "failed",
        "validation_sha256": file_sha256(report),
    }
    registered = mlflow.register_model(logged, name, tags=tags)
    return client.get_model_version(name, registered.version)


def _log(
    client: "MlflowClient",
    run: str,
    root: Path,
    folder: Path,
    loaded: "LoadedModel",
    evaluation: Path,
    data: TrainedData,
    text: str,
) -> str:
    """Logs a model to a run that has ended; returns its URI.

    The run is not started again: a kill in the meantime would leave it open, and nobody would find it as finished.
    """
    import mlflow
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    model, card = loaded
    inputs = Schema([TensorSpec(np.dtype("uint8"), _free(model.input_shape), "image")])
    outputs = Schema([TensorSpec(np.dtype("float32"), _free(model.output_shapes[0]))])
    source = client.get_run(run)
    created = mlflow.initialize_logged_model(
        "model", run, params=source.data.params, experiment_id=source.info.experiment_id
    )
    logged = Model.log(
        None,
        mlflow_model,
        model_id=created.model_id,
        run_id=run,
        metadata=card.model_dump(mode="json"),
        folder=folder,
        signature=ModelSignature(inputs, outputs),
    )
    with tempfile.TemporaryDirectory() as scratch:
        copy_version_files(root, folder, evaluation, data, Path(scratch) / ORIGIN)
        (Path(scratch) / ORIGIN / MODEL_CARD).write_text(text, encoding="utf-8")
        client.log_model_artifacts(logged.model_id, scratch)
    return str(logged.model_uri)


def _free(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Returns a shape in MLflow's form, with -1 for any number."""
    return tuple(-1 if size is None else size for size in shape)


def download_version(version: "ModelVersion") -> Path:
    """Downloads a version in MLflow's format, checks its files against the registry's tags, and returns the folder.

    Raises:
        TransferlineError: files are missing, or a file is not the one that was registered.
    """
    import mlflow

    _require_lite(version)
    try:
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}"))
    except mlflow.MlflowException as error:
        raise TransferlineError(
            f"the model files of version {version.version} of {version.name} are missing: {_place(version)} cannot be "
            f"read: {reason_of(error)}. MLflow stores absolute paths: if the project was moved or renamed, or mlruns/ "
            "was copied to another path, move it back, or link the old path to it with `ln -s`"
        ) from error
    verify_files(
        {tag: folder / file for file, tag in HASHED.items()} | novelty_file(folder / ORIGIN, version.tags),
        version.name,
        str(version.version),
        version.tags,
        "The file in MLflow's store was changed: do not use it. Restore it from a backup, return to another version "
        f"with `transferline rollback`, or train this one again with `transferline reproduce {version.version}`",
    )
    return folder


def _place(version: "ModelVersion") -> str:
    """Returns the folder of a version's files, or MLflow's URI of its model if MLflow does not name the folder."""
    import mlflow

    try:
        return str(mlflow.get_logged_model(str(version.source).removeprefix("models:/")).artifact_location)
    except mlflow.MlflowException:  # as when the server stops
        return str(version.source)


def _require_lite(version: "ModelVersion") -> None:
    if HASHED[f"{DATA}/{LITE_FILE}"] not in version.tags:
        raise TransferlineError(
            f"version {version.version} of {version.name} was registered by transferline 0.1 and has no {LITE_FILE}, "
            "which prediction needs; train and promote a new one with `transferline run --force-from extract`"
        )


def fetch_version(version: "ModelVersion", root: Path) -> Path:
    """Returns a model folder with a registered version, from the local cache if it was fetched before.

    Another process that fetches the same version, such as the endpoint after a promotion, waits and uses the same copy.

    Raises:
        TransferlineError: a file is not the one that was registered.
    """
    _require_lite(version)
    folder = cached_folder(root, version.name, str(version.version), version.tags)
    with lock_of(folder):
        if not folder.exists():
            downloaded = download_version(version)
            with completed_folder(folder) as partial:
                for file in HASHED:
                    shutil.copyfile(downloaded / file, partial / Path(file).name)
                if (insight := downloaded / ORIGIN / INSIGHT.name).exists():  # older versions have none
                    shutil.copytree(insight, partial / INSIGHT.name)
    check_cached(folder, version.name, str(version.version), version.tags)
    return folder


def keep_copy(version: "ModelVersion", root: Path) -> None:
    """Fetches a new champion, so that `predict` needs no MLflow. An error is only a warning: the alias has moved."""
    try:
        fetch_version(version, root)
    except Exception as error:  # each kind of store raises errors of its own
        reason = reason_of(error)
        say(f"warning: version {version.version} was not copied to {CACHE}: {reason}; the next `predict` tries again")


def named_model(client: "MlflowClient", params: Params, root: Path, reference: str) -> Path:
    """Returns the folder of a version that an alias or a number names.

    Raises:
        TransferlineError: there is no such version, or a file is not the one that was registered.
    """
    return fetch_version(version_named(client, params.promote.model_name, reference), root)
