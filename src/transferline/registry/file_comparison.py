"""Compares the files that a pipeline wrote with those of an earlier run."""

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

# these files hold times, or come from files that hold times
TIMED = ("summary.json", "history.csv", "latency.json", "leaderboard.md", "leaderboard.png")


def compare_lines(stored: Path, version: "ModelVersion", project: Path, cache: Path) -> tuple[bool, list[str]]:
    """Returns whether weights, metrics and files are the same, and lines that describe them.

    Args:
        stored: the folder of the registered version in MLflow's store.
        version: names its candidate and phase.
        project: the project that trained it again.
        cache: DVC's cache, which holds the original files.
    """
    model = MODELS / version.tags["candidate"] / version.tags["phase"]
    weights = weight_difference(stored / "data" / MODEL_FILE, project / model / MODEL_FILE)
    lines = ["weights: identical" if weights == 0 else f"weights: differ by up to {weights:.3g}"]
    old, new = (json.loads(path.read_text("utf-8")) for path in (stored / ORIGIN / METRICS.name, project / METRICS))
    changed = list(differences(old, new))
    lines += [f"metrics: {line}" for line in changed] or [f"metrics: all of {METRICS} identical"]
    same, files = _compare_outs(stored / ORIGIN / LOCK, project, cache)
    return weights == 0 and not changed and same, lines + files


def weight_difference(one: Path, other: Path) -> float:
    """Returns the largest difference between the weights in two Keras files; infinite if their shapes differ.

    The files themselves always differ: they hold the time when they were saved, and numbers of objects in memory.
    """
    first, second = _weights(one), _weights(other)
    if [array.shape for array in first] != [array.shape for array in second]:
        return float("inf")
    return max((float(np.abs(a - b).max(initial=0)) for a, b in zip(first, second, strict=True)), default=0.0)


def _weights(file: Path) -> list[Array]:
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(file, Path(scratch) / MODEL_FILE)  # files in DVC's cache have no suffix
        arrays: list[Array] = load_keras_model(Path(scratch)).get_weights()
    return arrays


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Returns a line `name: old → new` for each leaf that differs between two trees."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{name}.{key}".strip("."))]
    return [] if old == new else [f"{name}: {old} → {new}"]


def _compare_outs(lock: Path, project: Path, cache: Path) -> tuple[bool, list[str]]:
    """Compares the files that the stages of a `dvc.lock` wrote, if these stages ran again in `project`.

    The `dvc.lock` may also hold stages of another recipe.
    """
    equal, timed, lines, same = 0, 0, [], True
    for path, md5 in _outs(lock, locked_stages(project / LOCK).keys()).items():
        files = _files(path, md5, cache)
        if files is None:
            lines.append(f"files: {path} is not compared, because its original is no longer in the DVC cache")
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
    return same, [*lines, f"files: {equal} identical, {timed} differ, but hold times"]


def _outs(lock: Path, names: Container[str]) -> dict[str, str]:
    """Returns each output of the named stages and its md5.

    The outputs of `record` are left out, because they hold hashes of files with times.
    """
    stages = [stage for name, stage in locked_stages(lock).items() if name in names]
    outs = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    return {path: md5 for path, md5 in outs.items() if not path.startswith("mlruns/")}


def _files(path: str, md5: str, cache: Path) -> dict[str, str] | None:
    """Returns the files of an output and their md5; None if DVC's cache no longer lists the content of a folder."""
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
