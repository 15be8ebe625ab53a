"""What `dvc.lock` says: which data the stages ran on. A `.dvc` file may name other data than was trained on."""

import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from transferline.errors import TransferlineError
from transferline.paths import RAW

LOCK = Path("dvc.lock")
CORRECTIONS = Path("data/corrections")
# the stages from the raw images to the evaluation of a candidate
CHAIN = ("validate", "augment", "extract@{}", "train_head@{}", "fine_tune@{}", "train@{}", "evaluate@{}")
SECONDS_TO_WRITE, SECONDS_BETWEEN_READS = 2.0, 0.1


def locked_stages(lock: Path) -> dict[str, Any]:
    """The entries of a `dvc.lock` by the names of their stages; none where there is no such file.

    DVC writes the file in place, also while a stage of another candidate reads it. A file that was just written and is
    not complete is read again.

    Raises:
        TransferlineError: it is no YAML.
    """
    while lock.exists():
        age = time.time() - lock.stat().st_mtime
        text = lock.read_text(encoding="utf-8")
        try:
            stages: dict[str, Any] = (YAML(typ="safe", pure=True).load(text) or {}).get("stages") or {}
            if (text.endswith("\n") and "outs" in stages.get("validate", {})) or age > SECONDS_TO_WRITE:
                return stages
        except (YAMLError, AttributeError) as error:
            if age > SECONDS_TO_WRITE:
                raise TransferlineError(
                    f"{lock} cannot be read: {str(error).splitlines()[0]}. `git checkout {lock.name}` brings back the "
                    "committed one"
                ) from error
        time.sleep(SECONDS_BETWEEN_READS)
    return {}


def dependency_hash(stages: dict[str, Any], path: Path, stage: str = "validate") -> str:
    """DVC's hash of what a stage read at `path`; empty where it has not run or does not depend on it."""
    return _hashes(stages.get(stage, {}), "deps").get(path.as_posix(), "")


def trained_revision(root: Path, dataset: str) -> str:
    """DVC's hash of the raw dataset that `validate` last accepted, which is what is trained on; empty if unknown."""
    return dependency_hash(locked_stages(root / LOCK), RAW / dataset)


def require_trained_on(root: Path, candidate: str, dataset: str) -> None:
    """Makes sure that a candidate was trained on the data that `validate` last accepted.

    Raises:
        TransferlineError: names the stages that have to run again.
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
            f"the selected model is of candidate {candidate}, which was not trained on what `validate` last accepted "
            f"({dataset} at revision {trained[:8]}): {', '.join(stale)} ran on something else; `transferline run` "
            "brings them up to date"
        )


def _hashes(stage: dict[str, Any], kind: str) -> dict[str, str]:
    return {item["path"]: str(item.get("md5") or item.get("hash", "")) for item in stage.get(kind, [])}
