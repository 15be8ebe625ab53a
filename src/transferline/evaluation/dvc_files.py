"""What DVC shows and compares: `metrics.json` and the tables that the `plots` of `dvc.yaml` draw."""

from pathlib import Path
from typing import Any

import pandas as pd

from transferline.evaluation.leaderboard import PHASES, Entry
from transferline.training.files import HISTORY_FILE

FIGURES = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "roc_auc",
    "expected_calibration_error",
)
CURVES = ["candidate", "phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


def _figures(entry: Entry) -> dict[str, dict[str, float]]:
    return {
        split: {name: value for name in FIGURES if (value := entry.figure(split, name)) is not None}
        for split in ("validation", "test")
        if split in entry.metrics
    }


def metrics_tree(ranked: list[Entry], metric: str) -> dict[str, Any]:
    """The content of `metrics.json`: the selected model, then the figures of every candidate and phase.

    No timings are in it, so that the same params, data and code give the same file.
    """
    candidates: dict[str, Any] = {}
    for entry in sorted(ranked, key=lambda entry: (entry.candidate, PHASES.index(entry.phase))):
        candidates.setdefault(entry.candidate, {})[entry.phase] = _figures(entry)
    best = ranked[0]
    selected = {"candidate": best.candidate, "phase": best.phase, "metric": metric} | _figures(best)
    return {"selected": selected, "candidates": candidates}


def curves(entries: list[Entry]) -> pd.DataFrame:
    """The learning curves of all candidates: a row per candidate and epoch, columns `CURVES`."""
    histories = [pd.read_csv(entry.folder / HISTORY_FILE).assign(candidate=entry.candidate) for entry in entries]
    # the history of a fine-tuned model starts with its head's
    return (
        pd.concat(histories)
        .drop_duplicates(["candidate", "phase", "epoch"])[CURVES]
        .sort_values(["candidate", "epoch"])
    )


def confusion(entry: Entry) -> pd.DataFrame:
    """The columns actual and predicted (class names) of the images of the test split, or validation without one."""
    predictions = pd.read_parquet(entry.folder / "predictions.parquet", columns=["split", "label", "predicted"])
    split = "test" if "test" in entry.metrics else "validation"
    shown = predictions.loc[predictions["split"] == split, ["label", "predicted"]]
    return shown.rename(columns={"label": "actual"})


def write_plots(ranked: list[Entry], folder: Path) -> None:
    """Writes `curves.csv` and `confusion.csv` (of the selected model) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    curves(ranked).to_csv(folder / "curves.csv", index=False)
    confusion(ranked[0]).to_csv(folder / "confusion.csv", index=False)
