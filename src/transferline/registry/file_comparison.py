"""Compares what a pipeline wrote with what an earlier run of it wrote, file by file."""

import json
import shutil
import tempfile
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferline.arrays import Array
from transferline.datasets.dvc_lock_file import locked_stages
from transferline.hashes import file_md5
from transferline.models.exported import MODEL_FILE, load_keras_model
from transferline.paths import METRICS, MODELS
from transferline.registry.version_files import LOCK, ORIGIN

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

# they hold wall-clock times, or are drawn from such files
TIMED = ("summary.json", "history.csv", "latency.json", "leaderboard.md", "leaderboard.png")


def compare_lines(stored: Path, version: "ModelVersion", project: Path, cache: Path) -> tuple[bool, list[str]]:
    """Whether weights, figures and files are the same, and a line for each.

    Args:
        stored: the registered version, as MLflow stores it.
        version: names its candidate and phase.
        project: where it was made again.
        cache: DVC's, which holds the original files.
    """
    model = MODELS / version.tags["candidate"] / version.tags["phase"]
    weights = weight_difference(stored / "data" / MODEL_FILE, project / model / MODEL_FILE)
    lines = ["weights: identical" if weights == 0 else f"weights: differ by up to {weights:.3g}"]
    old, new = (json.loads(path.read_text("utf-8")) for path in (stored / ORIGIN / METRICS.name, project / METRICS))
    figures = list(differences(old, new))
    lines += [f"figures: {line}" for line in figures] or [f"figures: all of {METRICS} identical"]
    same, files = _compare_outs(stored / ORIGIN / LOCK, project, cache)
    return weights == 0 and not figures and same, lines + files


def weight_difference(one: Path, other: Path) -> float:
    """The largest difference between the weights in two Keras files; infinite if their shapes differ.

    The files themselves always differ: they hold the time of their saving, and numbers of objects in memory.
    """
    first, second = _weights(one), _weights(other)
    if [array.shape for array in first] != [array.shape for array in second]:
        return float("inf")
    return max((float(np.abs(a - b).max(initial=0)) for a, b in zip(first, second, strict=True)), default=0.0)


def _weights(file: Path) -> list[Array]:
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(file, Path(scratch) / MODEL_FILE)  # in DVC's cache it has no suffix
        arrays: list[Array] = load_keras_model(Path(scratch)).get_weights()
    return arrays


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """The leaves of two trees that are not equal, each as `name: old → new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [f"{name}: {old} → {new}"]


def _compare_outs(lock: Path, project: Path, cache: Path) -> tuple[bool, list[str]]:
    """The files that the stages of a `dvc.lock` wrote, as far as these ran again in `project`.

    The file may also hold stages of another recipe.
    """
    equal, timed, lines, same = 0, 0, [], True
    for path, md5 in _outs(lock, locked_stages(project / LOCK).keys()).items():
        files = _files(path, md5, cache)
        if files is None:
            lines.append(f"files: {path} is not compared, its original is no longer in the DVC cache")
            continue
        for file, old in files.items():
            made = project / file
            if made.is_file() and _is_same(made, old, cache):
                equal += 1
            elif made.is_file() and made.name in TIMED:
                timed += 1
            else:
                same = False
                lines.append(f"files: {file} {'differs' if made.is_file() else 'is missing'}")
    return same, [*lines, f"files: {equal} identical, {timed} with times in them"]


def _outs(lock: Path, names: Container[str]) -> dict[str, str]:
    """Each output of the stages named and its md5; without the notes of `record`, which name hashes of files with times
    in them."""
    stages = [stage for name, stage in locked_stages(lock).items() if name in names]
    outs = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    return {path: md5 for path, md5 in outs.items() if not path.startswith("mlruns/")}


def _files(path: str, md5: str, cache: Path) -> dict[str, str] | None:
    """The files of an output and their md5; None if nobody knows any more what was in a folder."""
    if not md5.endswith(".dir"):
        return {path: md5}
    listing = _cached(md5, cache)
    if not listing.exists():
        return None
    return {f"{path}/{item['relpath']}": item["md5"] for item in json.loads(listing.read_text(encoding="utf-8"))}


def _is_same(made: Path, md5: str, cache: Path) -> bool:
    if file_md5(made) == md5:
        return True
    original = _cached(md5, cache)
    return made.suffix == ".keras" and original.exists() and weight_difference(made, original) == 0


def _cached(md5: str, cache: Path) -> Path:
    return cache / "files" / "md5" / md5[:2] / md5[2:]
