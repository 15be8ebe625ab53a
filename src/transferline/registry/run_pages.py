"""Builds what MLflow's pages show about a run, except its parameters: data, source, description, metrics, pictures."""

import getpass
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image

from transferline.git_and_dvc import git_or_nothing
from transferline.metrics.calibration import UNSCALED_ERROR
from transferline.metrics.rejection import promise
from transferline.models.exported import REFITTED, ModelCard, Rejection
from transferline.paths import RAW
from transferline.registry.trained_data import TrainedData
from transferline.text import first_of, images_in_groups, with_interval

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

DESCRIPTION = "mlflow.note.content"  # the tag that MLflow's pages show as the description of a run
DIGITS_OF_REVISION = 8
CALIBRATION_ERRORS = (UNSCALED_ERROR, "expected_calibration_error")


def run_name(card: ModelCard, data: TrainedData) -> str:
    """Returns candidate, phase and revision of the data, such as `lite0 head, data 3f2a91bc`."""
    revision = data.data_revision[:DIGITS_OF_REVISION]
    return f"{card.candidate} {card.phase}{f', data {revision}' if revision else ''}"


def source_tags(root: Path, commit: str) -> dict[str, str]:
    """Returns the user, the repository and the commit, as the tags that MLflow's pages show."""
    remote = git_or_nothing(root, "config", "--get", "remote.origin.url").decode(errors="replace").strip()
    remote = re.sub(r"//[^/@]*@", "//", remote)  # removes a user name and password
    tags = {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": remote or root.name,
        "mlflow.source.type": "PROJECT" if remote else "LOCAL",
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.repoURL": remote,
    }
    return {name: value for name, value in tags.items() if value}


def dataset_input(data: TrainedData) -> "DatasetInput":
    """Returns the dataset of a run: its name, its revision (MLflow's digest), and its images by class and split."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {"path": (RAW / data.dataset).as_posix(), "revision": data.data_revision}
    dataset = Dataset(
        name=data.dataset,
        digest=data.data_revision[:DIGITS_OF_REVISION] or "unknown",
        source_type="dvc",
        source=json.dumps({**source, "corrections_revision": data.corrections_revision}),
        profile=json.dumps({"images": data.images, "images_by_class_and_split": data.classes}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def headline(metric: str, values: dict[str, Any]) -> str:
    """Returns metric, interval and number of images, such as `accuracy 0.9524 (0.9217 to 0.9714) on 294 images`.

    If images have groups, it returns their number, too.
    """
    if metric not in values:
        return f"{metric} unknown"
    value = with_interval(values[metric], values.get(f"{metric}_low"), values.get(f"{metric}_high"))
    groups = values.get("groups", values["n"])  # older evaluations do not have it
    return f"{metric} {value} on {images_in_groups(values['n'], groups)}"


def describe_data(data: TrainedData) -> str:
    """Returns the dataset in words, such as `waste at revision 3f2a91bc: 2,527 images in 6 classes (glass: 501, …)`."""
    counts = [f"{name}: {count:,}" for name, count in data.images_by_class.items()]
    revision = f" at revision {data.data_revision[:DIGITS_OF_REVISION]}" if data.data_revision else ""
    classes = f" in {len(counts)} classes ({first_of(counts, 12)})" if counts else ""
    return f"{data.dataset}{revision}: {data.images:,} images{classes}"


def describe_run(metric: str, evaluation: dict[str, Any], latency: dict[str, Any], data: TrainedData) -> str:
    """Returns the description of a run in Markdown: its main metric, its data, its size and its speed.

    Args:
        metric: `select.metric`.
        evaluation: `metrics.json` of the evaluation.
        latency: `latency.json` of the evaluation.
        data: what the model was trained on.
    """
    lines = [
        f"**{split}: {headline(metric, evaluation[split])}**" for split in ("test", "validation") if split in evaluation
    ]
    model = (
        f"{evaluation['parameters']:,} parameters, {evaluation['trainable']:,} of them trained, "
        f"best epoch {evaluation['best_epoch']}, {latency['training_seconds']:.0f} s of training; "
        f"{latency['size_bytes'] / 1e6:.1f} MB, {latency['one_image_ms']:.1f} ms for one image"
    )
    return "\n\n".join([*lines, *refit_lines(evaluation), describe_data(data), model, *decision_lines(evaluation)])


def refit_lines(evaluation: dict[str, Any]) -> list[str]:
    """Returns a line about the refit; none for a model that was not refitted."""
    is_refitted = "validation" in evaluation.get("trained_on", ())
    return [REFITTED] * is_refitted


def decision_lines(evaluation: dict[str, Any]) -> list[str]:
    """Returns lines about the temperature and the rejection; none for evaluations without these fields."""
    values = evaluation.get("test", evaluation.get("validation", {}))
    lines = []
    if "temperature" in evaluation:
        errors = [f"{values[name]:.4f}" for name in CALIBRATION_ERRORS if name in values]
        change = f"; expected calibration error {' → '.join(errors)}" if errors else ""
        lines.append(f"temperature {evaluation['temperature']:.3f}{change}")
    if evaluation.get("rejection"):
        lines.append(promise(Rejection(**evaluation["rejection"])))
    return lines


def scalars(metric: str, evaluation: dict[str, Any], latency: dict[str, Any]) -> dict[str, float]:
    """Returns the metrics by which MLflow compares runs. The part before the slash is their group in MLflow.

    Of the intervals, it includes only that of `select.metric`. All other values are in `evaluation/metrics.json` and in
    the table `per_class.json` of the run.
    """
    values = {
        f"{split}/{name}": float(value)
        for split in ("validation", "test")
        for name, value in evaluation.get(split, {}).items()
        if isinstance(value, int | float) and (not name.endswith(("_low", "_high")) or name.startswith(f"{metric}_"))
    }
    return values | {
        "model/ms_for_one_image": latency["one_image_ms"],
        "model/megabytes": latency["size_bytes"] / 1e6,
        "train/seconds": latency["training_seconds"],
        "train/best_epoch": evaluation["best_epoch"],
        **({"train/temperature": evaluation["temperature"]} if "temperature" in evaluation else {}),
    }


def class_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Returns the metrics of each class. Columns: split, class, and the metrics of the kind of problem."""
    rows = [
        {"split": split, "class": name, **values}
        for split in ("validation", "test")
        for name, values in evaluation.get(split, {}).get("per_class", {}).items()
    ]
    return pd.DataFrame(rows)


def log_evaluation_files(client: "MlflowClient", run: str, folder: Path) -> None:
    """Logs the files of an evaluation. It logs PNG files as images, which MLflow shows beside each other."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = file.relative_to(folder)
        if file.suffix == ".png":
            with Image.open(file) as picture:
                client.log_image(run, picture, key="_".join(place.with_suffix("").parts), step=0)
        else:
            client.log_artifact(run, str(file), (Path("evaluation") / place.parent).as_posix())
