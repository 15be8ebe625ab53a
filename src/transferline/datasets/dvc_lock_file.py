"""Reads `dvc.lock`: the data on which the stages ran. A `.dvc` file can name other data than the training data."""

import time
from pathlib import Path
from typing import Any

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.paths import RAW
from transferline.yaml_text import parse_yaml

LOCK = Path("dvc.lock")
COPY = Path(".transferline/dvc.lock")
HOW_TO_RESTORE = "`transferline run` restores the last complete dvc.lock, `git checkout dvc.lock` the committed one"
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
                raise TransferlineError(f"{str(error).splitlines()[0]}; {HOW_TO_RESTORE}") from error
        time.sleep(SECONDS_BETWEEN_READS)
    return {}


def keep_copy(root: Path) -> None:
    """Stores a copy of `dvc.lock` for `restore_copy`, if DVC can read the file."""
    lock = root / LOCK
    if lock.exists() and _is_readable(text := lock.read_text(encoding="utf-8", errors="replace")):
        write_text(root / COPY, text)


def restore_copy(root: Path) -> list[str]:
    """Replaces a `dvc.lock` that DVC cannot read by the copy, or else by the committed one, or else deletes it.

    DVC writes the file in place. A full disk or a kill cuts it off, and then no command of DVC works. The stages that
    ended later run again, or come from DVC's cache. A file with the conflicts of a Git merge stays as it is.

    Returns:
        A sentence if the file was replaced or deleted.
    """
    lock, copy = root / LOCK, root / COPY
    while lock.exists() and not _is_readable(text := lock.read_text(encoding="utf-8", errors="replace")):
        if time.time() - lock.stat().st_mtime < SECONDS_TO_WRITE:  # perhaps DVC is writing it
            time.sleep(SECONDS_BETWEEN_READS)
            continue
        if "<<<<<<< " in text:
            break
        cut_off = f"{LOCK} was cut off, perhaps by a full disk"
        if copy.exists():
            write_text(lock, copy.read_text(encoding="utf-8"))
            return [f"{cut_off}: restored the last one that was complete"]
        if committed := git_or_nothing(root, "show", f"HEAD:./{LOCK}").decode():
            write_text(lock, committed)
            return [f"{cut_off}: restored the committed one"]
        lock.unlink()
        return [f"{cut_off}: deleted it, because there is no complete one; all stages run again"]
    return []


def _is_readable(text: str) -> bool:
    from dvc.dvcfile import Lockfile  # takes half a second to import
    from dvc.exceptions import DvcException

    try:
        Lockfile.validate(parse_yaml(text, LOCK))
    except (TransferlineError, DvcException):
        return False
    return True


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
