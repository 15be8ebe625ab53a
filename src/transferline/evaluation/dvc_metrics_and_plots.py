"""The files that DVC shows and compares: `metrics.json`, and the tables for the `plots` of `dvc.yaml`."""

from pathlib import Path
from typing import Any

import pandas as pd

from transferline.evaluation.ranking import PHASES, EvaluatedModel
from transferline.models.exported import HISTORY_FILE

CURVES = ["candidate", "phase", "epoch", "loss", "val_loss", "metric", "val_metric", "learning_rate", "l2"]


def _metrics(entry: EvaluatedModel, metric: str) -> dict[str, dict[str, float]]:
    """Returns the metrics over all images, with the intervals of the selecting metric and of the main metric."""
    ends = ("_low", "_high")
    intervals = [name + end for name in (metric, entry.main_metric) for end in ends]
    return {
        split: {
            name: value
            for name, value in entry.metrics[split].items()
            if isinstance(value, float) and (name in intervals or not name.endswith(ends))
        }
        for split in ("validation", "test")
        if split in entry.metrics
    }


def metrics_tree(ranked: list[EvaluatedModel], metric: str) -> dict[str, Any]:
    """Returns the content of `metrics.json`: the selected model, then the metrics of every candidate and phase.

    It holds no times, so that the same params, data and code give the same file.
    """
    candidates: dict[str, Any] = {}
    for entry in sorted(ranked, key=lambda entry: (entry.candidate, PHASES.index(entry.phase))):
        candidates.setdefault(entry.candidate, {})[entry.phase] = _metrics(entry, metric)
    best = ranked[0]
    selected = {"candidate": best.candidate, "phase": best.phase, "metric": metric} | _metrics(best, metric)
    return {"selected": selected, "candidates": candidates}


def curves(entries: list[EvaluatedModel]) -> pd.DataFrame:
    """Returns the learning curves of all candidates: a row per candidate and epoch, with the columns `CURVES`.

    The column `metric` is the main metric of the kind of problem.
    """
    histories = [
        pd.read_csv(entry.folder / HISTORY_FILE)
        .rename(columns={entry.main_metric: "metric", f"val_{entry.main_metric}": "val_metric"})
        .assign(candidate=entry.candidate)
        for entry in entries
    ]
    # the history of a fine-tuned model starts with the history of its head
    return (
        pd.concat(histories)
        .drop_duplicates(["candidate", "phase", "epoch"])
        .reindex(columns=CURVES)
        .sort_values(["candidate", "epoch"])
    )


def actual_and_predicted(entry: EvaluatedModel) -> pd.DataFrame:
    """Returns `EvaluationOfKind.confusion` of test, or of validation if there is no test split."""
    split = "test" if "test" in entry.metrics else "validation"
    predictions = pd.read_parquet(entry.folder / "predictions.parquet")
    classes = tuple(entry.metrics[split]["per_class"])
    return entry.kind.confusion(predictions[predictions["split"] == split], classes)


def write_plots(ranked: list[EvaluatedModel], folder: Path) -> None:
    """Writes `curves.csv` and `confusion.csv` (of the selected model) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    curves(ranked).to_csv(folder / "curves.csv", index=False)
    actual_and_predicted(ranked[0]).to_csv(folder / "confusion.csv", index=False)
