"""The evaluation of a candidate as files: metrics, predictions, latency and pictures, for each of its phases."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from transferline.atomic_files import completed_folder, write_json
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.evaluation.changed_images import Subject
from transferline.evaluation.latency import measure_latency
from transferline.evaluation.robustness import evaluate_robustness
from transferline.evaluation.scoring import loaded, metrics_with_card, score
from transferline.models.exported import (
    CURVES_FILE,
    HISTORY_FILE,
    LITE_FILE,
    SUMMARY_FILE,
    ModelCard,
    check_parity,
    read_card,
    trained,
)
from transferline.models.lite import LiteModel
from transferline.params import Compute, Evaluate
from transferline.problems.evaluation import evaluation_of
from transferline.progress import say
from transferline.training.curves_picture import plot_curves


def evaluation_rows(table: ImageTable) -> pd.DataFrame:
    """Returns the images of a manifest that are evaluated: those that are kept, in the splits validation and test.

    Raises:
        TransferlineError: there is no image for validation.
    """
    validation, test = table.of_split("validation"), table.of_split("test")
    if validation.empty:
        raise TransferlineError(
            "the manifest keeps no image for validation; raise data.split.validation, or add images"
        )
    if test.empty:
        say("There is no test split: the evaluation shows validation metrics only.")
    return pd.concat([validation, test], ignore_index=True)


def draw_pictures(
    predictions: pd.DataFrame, model: LiteModel, card: ModelCard, raw: Path, params: Evaluate, folder: Path
) -> None:
    """Draws the pictures of test, or of validation if there is no test split; see `EvaluationOfKind.draw`."""
    split = "test" if (predictions["split"] == "test").any() else "validation"
    shown = predictions[predictions["split"] == split]
    title = f"{card.candidate}, {card.phase}, {split} ({len(shown)} images)"
    evaluation_of(card.problem).draw(shown, model, card, title, raw, params.gallery, folder)


def evaluate_model(
    model_folder: Path, rows: pd.DataFrame, raw: Path, params: Evaluate, folder: Path, compute: Compute | None = None
) -> dict[str, Any]:
    """Evaluates one exported model and writes `predictions.parquet`, `latency.json` and pictures into `folder`.

    Returns:
        The content of `metrics.json`: candidate, phase, problem, the metrics of validation and of test (if it exists),
        the best epoch, the numbers of weights, temperature and rejection; see `metrics_with_card`. The metrics of test
        include those of `evaluate_robustness`; if there is no test split, the metrics of validation include them.

    Raises:
        TransferlineError: the exported model does not predict the same as the trained one.
    """
    card, model = read_card(model_folder), loaded(model_folder, (model_folder / LITE_FILE).stat().st_mtime_ns)
    summary = json.loads((model_folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    check_parity(model.probabilities, card, model_folder)
    predictions = score(model_folder, raw, rows, compute)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    sizes = {"size_bytes": (model_folder / LITE_FILE).stat().st_size, "training_seconds": summary["seconds"]}
    write_json(folder / "latency.json", measure_latency(model, card) | sizes)
    draw_pictures(predictions, model, card, raw, params, folder)
    of_splits = {
        split: metrics_with_card(part, card.classes, params, card)
        for split, part in predictions.groupby("split", sort=False)
    }
    if card.thresholds is not None:
        for name, threshold in zip(card.classes, card.thresholds, strict=True):
            for metrics in of_splits.values():
                metrics["per_class"][name]["threshold"] = threshold
    split = "test" if "test" in of_splits else "validation"
    if params.robustness and split in card.trained_on:
        say("robustness is not measured: there is no test split, and the refitted model was trained on validation")
    elif params.robustness:
        subject = Subject(model_folder, model, card, raw, rows[rows["split"] == split])
        of_splits[split] |= evaluate_robustness(subject, params.robustness, params, folder)
    training = {key: summary[key] for key in ("best_epoch", "parameters", "trainable")}
    training |= {
        "trained_on": card.trained_on,
        "temperature": card.temperature,
        "rejection": card.rejection and card.rejection.model_dump(),
    }
    named = {"candidate": card.candidate, "phase": card.phase, "problem": card.problem}
    return named | {split: of_splits[split] for split in ("validation", "test") if split in of_splits} | training


def evaluate_candidate(
    models: Path, table: ImageTable, raw: Path, params: Evaluate, out: Path, compute: Compute | None = None
) -> None:
    """Evaluates the phases of a candidate; writes a folder per phase into `out`, all of them or none.

    Args:
        models: the folder with the candidate's model folders, `<phase>/`.
        table: the manifest.
        raw: the folder of the images.
        params: intervals, size of the gallery, and robustness.
        out: the folder to write; an existing one is replaced.
        compute: where the images are predicted; by default in this process.

    Raises:
        TransferlineError: there is no image for validation, or an exported model does not predict the same as the
            trained one.
    """
    rows = evaluation_rows(table)
    folders = trained(models)
    floor = json.loads((folders[0] / SUMMARY_FILE).read_text(encoding="utf-8"))["floor"]
    history = pd.DataFrame()
    with completed_folder(out) as partial:
        for folder in folders:
            target = partial / folder.name
            target.mkdir()
            own = pd.read_csv(folder / HISTORY_FILE)
            history = pd.concat([history, own]).drop_duplicates(["phase", "epoch"], ignore_index=True)
            history.to_csv(target / HISTORY_FILE, index=False)
            metrics = evaluate_model(folder, rows, raw, params, target, compute)
            plot_curves(history, target / CURVES_FILE, metrics["candidate"], metrics["best_epoch"])
            write_json(target / "metrics.json", metrics | {"floor": floor})
