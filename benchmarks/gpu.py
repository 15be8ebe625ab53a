"""The default job and a fine-tuning of 2,000 photographs, on the GPU and on the CPU of the same machine.

    python -m benchmarks.gpu [--devices gpu cpu] [--images N] [--minutes M]

Prints a Markdown table for each job when it ends: the seconds of each stage, with the start of its process, and the
views of train per second in an epoch of the fine-tuning, with its validation. A sentence says whether the accuracies
are equal within noise. It makes the photographs. Jobs that do not fit into the minutes, by default eight, are left out.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from benchmarks.harness import call, fresh

CLASSES = 4
STAGES = ("validate", "augment", "extract", "train_head", "fine_tune", "evaluate")
SPEED = "`fine_tune`, views per second in an epoch"  # views of train; the time includes validation
ENDS = ("", "_low", "_high")
JOBS = {"digits": "the default job", "photographs": "fine-tuning of photographs"}
FINE_TUNING: dict[str, Any] = {
    "data": {"dataset": "photographs", "problem": "multiclass"},
    "validate": {"rules": {"near_duplicate": "warn", "few_images": "warn"}},
    "candidates": {
        "lite0": {
            "kind": "pretrained",
            "image": {"size": 224},
            "backbone": {"name": "efficientnet_lite0", "unfreeze": {"from_layer": "block3a_expand_conv"}},
            "train_head": {"optimizer": {"name": "lbfgs"}},
            "fine_tune": {"epochs": 3, "optimizer": {"name": "adam", "learning_rate": 1e-4}, "early_stopping": None},
        }
    },
    "promote": {"min_value": 0},
}
NO_GPU = "TensorFlow finds no GPU on this machine; see docs/platforms.md, or measure only the CPU with --devices cpu"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", nargs="+", choices=("gpu", "cpu"), default=("gpu", "cpu"))
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=8)
    options = parser.parse_args()
    if "gpu" in options.devices and not gpus():
        raise SystemExit(NO_GPU)
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        make_photographs(Path(folder) / "photos", options.images)
        for job in JOBS:
            found: dict[str, dict[str, Any]] = {}
            for device in options.devices:
                hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {}
                try:
                    found[device] = fresh("gpu", job, Path(folder), max(1, end - time.monotonic()), **hidden)
                except subprocess.SubprocessError as error:
                    reason = str(getattr(error, "stderr", None) or error)[-1000:]
                    print(f"{JOBS[job]} on the {device} is not measured: {reason}", flush=True)
            if found:
                print("\n".join(table(JOBS[job], found)), flush=True)


def gpus() -> int:
    """Returns how many GPUs TensorFlow finds, in a process of its own."""
    command = "import tensorflow; print(len(tensorflow.config.list_physical_devices('GPU')))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    return int(done.stdout)


def make_photographs(folder: Path, count: int) -> None:
    """Makes JPEGs in a folder for each class. All images of a class share a faint pattern under strong noise."""
    random = np.random.default_rng(7)
    patterns = random.normal(0, 1, (CLASSES, 6, 6, 3))
    for number in range(count):
        pixels = patterns[number % CLASSES] + random.normal(0, 3, (6, 6, 3))
        small = Image.fromarray((127 + 30 * pixels).clip(0, 255).astype(np.uint8))
        file = io.BytesIO()
        small.resize((288, 240), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        path = folder / f"class_{number % CLASSES}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.getvalue())


def digits(folder: Path) -> dict[str, Any]:
    """The default job up to the selection: a way of the harness."""
    return _run(folder, "digits", None)


def photographs(folder: Path) -> dict[str, Any]:
    """Fine-tuning of most of EfficientNet-Lite0 on the photographs: a way of the harness."""
    recipe = folder / "photographs.yaml"
    recipe.write_text(yaml.safe_dump(FINE_TUNING), encoding="utf-8")
    return _run(folder, str(recipe), folder / "photos")


def _run(folder: Path, recipe: str, photos: Path | None) -> dict[str, Any]:
    """Returns figures by name, see `SPEED` and `STAGES`, and the accuracy on test with its interval."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        project = Path(name) / "project"
        call(folder, "transferline", "init", str(project), "--recipe", recipe)
        if photos:
            call(project, "transferline", "data", "add", str(photos), "--name", "photographs")
        figures = {}
        for stage in STAGES:  # all candidates of a stage; with the start of DVC
            started = time.perf_counter()
            call(project, "dvc", "repro", stage)
            figures[f"`{stage}`, s"] = time.perf_counter() - started
        call(project, "dvc", "repro", "select")
        test = json.loads((project / "metrics.json").read_text(encoding="utf-8"))["selected"]["test"]
        histories = [pd.read_csv(file) for file in project.glob("models/*/fine_tune/history.csv")]
        epochs = pd.concat(histories).query("phase == 'fine_tune'")["images_per_second"]
        figures[SPEED] = float(epochs.median())
        return {"figures": figures, "accuracy": [test[f"accuracy{end}"] for end in ENDS]}


def table(job: str, devices: dict[str, Any]) -> list[str]:
    """Returns the lines of a Markdown table of a job, and a sentence about its accuracies."""
    lines = [f"| {job} | CPU | GPU |", "|---|---|---|"]
    for name in next(iter(devices.values()))["figures"]:
        cells = [f"{devices[device]['figures'][name]:.1f}" if device in devices else "" for device in ("cpu", "gpu")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, "", _accuracies(job, devices), ""]


def _accuracies(job: str, devices: dict[str, Any]) -> str:
    texts = [f"{device} {mean:.4f} ({low:.4f} to {high:.4f})" for device, (mean, low, high) in _of(devices)]
    text = f"{job}, accuracy on test with its 95 % interval: {', '.join(texts)}"
    if len(devices) < 2:
        return text
    (_, one), (_, other) = _of(devices)
    equal = one[1] <= other[0] <= one[2] and other[1] <= one[0] <= other[2]
    return f"{text}: {'equal within noise' if equal else 'NOT equal within noise'}"


def _of(devices: dict[str, Any]) -> list[tuple[str, list[float]]]:
    return [(device, found["accuracy"]) for device, found in devices.items()]


if __name__ == "__main__":
    main()
