"""Reads `dvc.lock`: the data on which the stages ran. A `.dvc` file can name other data than the training data."""

import time
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError
from transferline.paths import RAW
from transferline.yaml_text import parse_yaml

LOCK = Path("dvc.lock")
CORRECTIONS = Path("data/corrections")
# The stages from the raw images to the evaluation of a candidate.
CHAIN = ("validate", "augment", "extract@{}", "train_head@{}", "fine_tune@{}", "train@{}", "evaluate@{}")
SECONDS_TO_WRITE, SECONDS_BETWEEN_READS = 2.0, 0.1


def locked_stages(lock: Path) -> dict[str, Any]:
    """Returns the entries of a `dvc.lock` by stage; none if the file does not exist.

    DVC writes the file in place, also while a stage of another candidate reads it. So a file that was written just now
    and is not complete is read again.

    Raises:
        TransferlineError: the file is not valid YAML.
    """
    while lock.exists():
        age = time.time() - lock.stat().st_mtime
        text = lock.read_text(encoding="utf-8")
        try:
            stages: dict[str, Any] = (parse_yaml(text, lock) or {}).get("stages") or {}
            if (text.endswith("\n") and "outs" in stages.get("validate", {})) or age > SECONDS_TO_WRITE:
                return stages
        except (TransferlineError, AttributeError) as error:
            if age > SECONDS_TO_WRITE:
                raise TransferlineError(f"{error}. `git checkout {lock.name}` restores the committed one") from error
        time.sleep(SECONDS_BETWEEN_READS)
    return {}


def dependency_hash(stages: dict[str, Any], path: Path, stage: str = "validate") -> str:
    """Returns DVC's hash of a stage's dependency `path`; empty if the stage has not run or has no such dependency."""
    return _hashes(stages.get(stage, {}), "deps").get(path.as_posix(), "")


def trained_revision(root: Path, dataset: str) -> str:
    """Returns DVC's hash of the raw dataset that `validate` last accepted, the training data; empty if unknown."""
    return dependency_hash(locked_stages(root / LOCK), RAW / dataset)


def require_trained_on(root: Path, candidate: str, dataset: str) -> None:
    """Checks that a candidate was trained on the data that `validate` last accepted.

    Raises:
        TransferlineError: it was not; the message names the stages that must run again.
    """
    stages = locked_stages(root / LOCK)
    names = [name.format(candidate) for name in CHAIN]
    made = {path: md5 for name in names for path, md5 in _hashes(stages.get(name, {}), "outs").items()}
    if trained := dependency_hash(stages, RAW / dataset):
        made[(RAW / dataset).as_posix()] = trained
    stale = [
        name
        for name in names
        if any(made.get(path, md5) != md5 for path, md5 in _hashes(stages.get(name, {}), "deps").items())
    ]
    if stale:
        raise TransferlineError(
            f"the selected model is of candidate {candidate}, which was not trained on the data that `validate` last "
            f"accepted ({dataset} at revision {trained[:8]}): {', '.join(stale)} ran on other data; `transferline run` "
            "brings them up to date"
        )


def _hashes(stage: dict[str, Any], kind: str) -> dict[str, str]:
    return {item["path"]: str(item.get("md5") or item.get("hash", "")) for item in stage.get(kind, [])}
