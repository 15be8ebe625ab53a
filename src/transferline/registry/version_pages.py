"""Builds what MLflow's pages show about a registered version: a model card as its description, its gates as tags."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferline.models.exported import ModelCard
from transferline.params import Params
from transferline.params.problem_kinds import KINDS
from transferline.paths import PAGE
from transferline.registry.recording import LATENCY_FILE, METRICS_FILE
from transferline.registry.run_pages import decision_lines, describe_data, headline, refit_lines
from transferline.registry.trained_data import TrainedData
from transferline.text import first_of, with_interval

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from transferline.registry.decision_files import Case

REPORT_ARTIFACTS = "report"  # the folder of the page among the artifacts of a run
LONGEST_DESCRIPTION = 5000  # characters; MLflow refuses a longer description
SHOWN_CLASSES, WEAKEST = 20, 3
ROBUST = {"corruption_": "damaged", "adversarial_": "attacked"}  # how the metrics of such images begin


def model_card(params: Params, card: ModelCard, evaluation: Path, data: TrainedData) -> str:
    """Returns the model card in Markdown: what the model is for, its data, metrics, known limits, size and speed.

    Args:
        params: `select.metric` is used.
        card: the contents of `card.json` of the model folder.
        evaluation: the folder that `evaluate` wrote.
        data: what the model was trained on.
    """
    metrics = json.loads((evaluation / METRICS_FILE).read_text(encoding="utf-8"))
    latency = json.loads((evaluation / LATENCY_FILE).read_text(encoding="utf-8"))
    sections = {
        "What it is for": _purpose(card),
        "Data": describe_data(data),
        "Metrics": "\n".join(_metric_lines(params.select.metric, metrics)),
        "Probabilities and unsure images": "\n".join(f"- {line}" for line in decision_lines(metrics)),
        "Limits": "\n".join(_limits(metrics, data)),
        "Size and speed": (
            f"{metrics['parameters']:,} parameters, {latency['size_bytes'] / 1e6:.1f} MB, "
            f"{latency['one_image_ms']:.1f} ms for one image on the machine that evaluated it"
        ),
    }
    return "\n\n".join(f"### {title}\n{text}" for title, text in sections.items() if text)


def describe_version(
    client: "MlflowClient", version: "ModelVersion", card: str, case: "Case", metric: str, experiment: str
) -> None:
    """Writes decision and card into the description of a version, and each gate's verdict into a tag `gate/<name>`.

    The decision stays true if the alias does not move, for instance because the smoke test fails.
    """
    report = f"#/experiments/{experiment}/runs/{version.run_id}/artifacts/{REPORT_ARTIFACTS}/{PAGE.name}"
    decision = "Accepted for promotion" if case.accepted else "Not promoted"
    link = f"[The page of this retraining]({report})"
    head = f"{link}\n\n**test {headline(metric, case.challenger.metrics)}**\n\n{decision}: {case.reason}."
    client.update_model_version(version.name, str(version.version), f"{head}\n\n{card}"[:LONGEST_DESCRIPTION])
    for gate in case.gates:
        name = "".join(sign if sign.isalnum() else "_" for sign in gate.name)
        client.set_model_version_tag(version.name, str(version.version), f"gate/{name}", gate.state)


def describe_model(client: "MlflowClient", name: str, card: ModelCard, data: TrainedData) -> None:
    """Writes the description of a registered model: what all its versions are for, and what its aliases mean."""
    client.update_registered_model(
        name,
        f"{_purpose(card)}\n\nTrained on the dataset {data.dataset}. The alias `champion` is the version that "
        "`transferline predict` and `transferline serve` use; `challenger` is the last version that promotion decided "
        "about, promoted or not.",
    )


def _purpose(card: ModelCard) -> str:
    kind = KINDS[card.problem]
    what = "any number of these labels" if kind.several_labels else "one of these classes"
    whole = "each pixel of an image" if kind.has_masks else "an image"
    image = card.image
    return (
        f"It predicts {what} for {whole}: {first_of(card.classes, SHOWN_CLASSES)}. It takes uint8 images of "
        f"{image.size} × {image.size} pixels, {image.color}; `transferline predict` resizes files ({image.resize})."
    )


def _metric_lines(metric: str, evaluation: dict[str, Any]) -> list[str]:
    splits = [split for split in ("test", "validation") if split in evaluation]
    lines = [f"{split}: {headline(metric, evaluation[split])}" for split in splits]
    return [f"- {line}" for line in [*lines, *refit_lines(evaluation)]]


def _limits(evaluation: dict[str, Any], data: TrainedData) -> list[str]:
    """Returns lines about the weakest classes on test, the smallest classes, and robustness that was not tested."""
    per_class = evaluation.get("test", {}).get("per_class", {})
    measure = next((name for name in ("iou", "average_precision", "recall") if _has(per_class, name)), None)
    lines = []
    if measure:
        values = sorted((each[measure], name) for name, each in per_class.items() if each.get(measure) is not None)
        ends = {name: (each.get(f"{measure}_low"), each.get(f"{measure}_high")) for name, each in per_class.items()}
        weakest = ", ".join(f"{name}: {with_interval(value, *ends[name], 2)}" for value, name in values[:WEAKEST])
        lines.append(f"- weakest classes ({measure.replace('_', ' ')} on test): {weakest}")
    if smallest := sorted((count, name) for name, count in data.images_by_class.items())[:WEAKEST]:
        lines.append("- fewest images: " + ", ".join(f"{name}: {count:,}" for count, name in smallest))
    known = [key for split in ("test", "validation") for key in evaluation.get(split, {})]
    untried = [kind for start, kind in ROBUST.items() if not any(key.startswith(start) for key in known)]
    return [*lines, *(f"- {kind} images were not tried (`evaluate.robustness`)" for kind in untried)]


def _has(per_class: dict[str, Any], name: str) -> bool:
    return any(name in values for values in per_class.values())
