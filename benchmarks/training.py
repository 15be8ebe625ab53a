"""Head training, fine-tuning and the whole recipe: from files to models, beside the notebook's."""

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.harness import Clock, Row
from benchmarks.notebook import notebook  # noqa: F401  a way
from transferline.datasets.file_formats import IMAGE_SUFFIXES
from transferline.datasets.tables import ImageTable
from transferline.datasets.views import draw_views
from transferline.models.exported import HISTORY_FILE, SUMMARY_FILE, ModelCard, Phase
from transferline.params import Augment, Pretrained, Problem
from transferline.training.bank import read_bank
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head
from transferline.training.training_job import Job

WAYS = ("head", "bank", "recipe", "notebook")
ROWS = (
    Row("head training, 20 epochs, untouched views, from files", "head.head", "notebook.head", 25, 40),
    Row("the same from a bank of 4 augmented views", "bank.head", "notebook.head", 8, 12),
    Row("fine-tuning epoch from layer 100", "recipe.epoch", "notebook.epoch", 3.5, 5),
    Row("whole recipe, 20 + 10 epochs, from files", "recipe.recipe", "notebook.recipe", 5, 8),
)
AUGMENT = Augment(
    seed=7, views=4, horizontal_flip=True, vertical_flip=False, rotation=(-72, 72), zoom=(0.8, 1.2), shift_x=(0, 0),
    shift_y=(0, 0), shear=(0, 0), contrast=(0.8, 1.2), brightness=(0, 0), fill="reflect",
)  # fmt: skip


def table_of(photos: Path) -> ImageTable:
    """The views of the photographs in `train/<class>` and `validation/<class>`."""
    paths = sorted(path.relative_to(photos) for path in photos.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    rows = [
        {"path": str(path), "sha256": f"{number:064x}", "split": path.parts[0], "label": path.parts[1], "kept": True}
        for number, path in enumerate(paths)
    ]
    classes = tuple(sorted({str(row["label"]) for row in rows}))
    return draw_views(ImageTable(pd.DataFrame(rows), classes), AUGMENT)


def candidate(head_views: str, tune: bool, **backbone: Any) -> Pretrained:
    """MobileNetV2 at 160 px, trained as the notebook trains."""
    common = {"class_weights": "none", "monitor": "val_loss", "early_stopping": None, "reduce_on_plateau": None}
    head = {**common, "epochs": 20, "batch_size": 32, "optimizer": {"name": "adam", "learning_rate": 1e-3}}
    tuning = {**common, "epochs": 10, "batch_size": 32, "optimizer": {"name": "rmsprop", "learning_rate": 1e-5}}
    return Pretrained.model_validate(
        {
            "kind": "pretrained",
            "image": {"size": 160, "color": "rgb", "resize": "stretch"},
            "backbone": {
                "name": "mobilenet_v2", "weights": "none", "pooling": "avg",
                "unfreeze": {"from_layer": 100} if tune else None, **backbone,
            },
            "extract": {"head_views": head_views, "fine_tune_views": "augmented", "dtype": "float16"},
            "layers": ({"kind": "dropout", "rate": 0.2},),
            "train_head": head,
            "fine_tune": tuning if tune else None,
            "train": None,
        }
    )  # fmt: skip


def run_line(photos: Path, section: Pretrained, seed: int = 7) -> dict[str, Any]:
    """Extracts, trains the head and fine-tunes, all files written.

    Returns:
        Seconds from files to head, of a fine-tuning epoch, and from files to the fine-tuned model, with the best
        accuracy on validation of both phases.
    """
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work, started, marks = Path(folder), Clock(), []
        views = table_of(photos)
        problem: Problem = "binary" if len(views.classes) == 2 else "multiclass"
        extract(photos, views, section, problem, work / "bank")
        opened = read_bank(work / "bank")

        def job(phase: Phase, training: Any) -> Job:
            card = ModelCard(candidate="c", phase=phase, problem=problem, classes=views.classes, image=section.image)
            return Job(training, None, card, seed, work / phase, lambda _: marks.append(Clock()))

        train_head(opened, section, job("head", section.train_head))
        figures |= {"head": started.read(), "head_accuracy": _best(work / "head")}
        if section.fine_tune:
            marks.clear()
            fine_tune(opened, section, work / "head", job("fine_tune", section.fine_tune), photos)
            epochs = [{"wall": b.wall - a.wall, "cpu": b.cpu - a.cpu} for a, b in pairwise(marks)]
            figures |= {"recipe": started.read(), "fine_tune_accuracy": _best(work / "fine_tune")}
            figures["epoch"] = min(epochs, key=lambda each: each["wall"])
    return figures


def _best(folder: Path) -> float:
    """Validation accuracy of the epoch that was kept."""
    history = pd.read_csv(folder / HISTORY_FILE)
    best = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))["best_epoch"]
    return float(history.set_index("epoch")["val_accuracy"][best])


def head(folder: Path) -> dict[str, Any]:
    """The head alone, on the images themselves."""
    return run_line(folder / "photos", candidate("untouched", tune=False))


def bank(folder: Path) -> dict[str, Any]:
    """The head alone, on the images and four augmented views of each."""
    return run_line(folder / "photos", candidate("augmented", tune=False))


def recipe(folder: Path) -> dict[str, Any]:
    """Head and fine-tuning."""
    return run_line(folder / "photos", candidate("untouched", tune=True))
