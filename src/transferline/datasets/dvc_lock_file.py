"""Reads and repairs `dvc.lock`, which names the data on which the stages ran.

A `.dvc` file can name other data than the training data.
"""

import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.paths import RAW
from transferline.yaml_text import parse_yaml

LOCK = Path("dvc.lock")
LOCKS = (LOCK, Path("data/dvc.lock"))
COPIES = Path(".transferline")  # the folder with a copy of each
CONFLICT = "<<<<<<< "  # what Git writes into a file
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
                raise TransferlineError(f"{str(error).splitlines()[0]}; {how_to_restore(lock.parent)}") from error
        time.sleep(SECONDS_BETWEEN_READS)
    return {}


def how_to_restore(root: Path) -> str:
    """Returns what the user can do about a lock file that DVC cannot read."""
    texts = {
        name: (root / name).read_text(encoding="utf-8", errors="replace") for name in LOCKS if (root / name).exists()
    }
    name = next((name for name, text in texts.items() if not _is_readable(text)), LOCK)
    if CONFLICT in texts.get(name, ""):
        return (
            f"{name} has a conflict of a merge: keep one side with `git checkout --ours {name}` or `git checkout "
            f"--theirs {name}`, then `transferline run`"
        )
    return f"`transferline run` restores the last complete {name}, `git checkout {name}` the committed one"


def keep_copy(root: Path) -> None:
    """Stores a copy of each lock file for `restore_copy`, if DVC can read the file."""
    (root / COPIES).mkdir(exist_ok=True)
    with FileLock(root / COPIES / "copies.lock"):  # stages of different candidates can end at the same time
        for name in LOCKS:
            lock = root / name
            if lock.exists() and _is_readable(text := lock.read_text(encoding="utf-8", errors="replace")):
                write_text(root / COPIES / name, text)


def restore_copy(root: Path) -> list[str]:
    """Replaces a lock file that DVC cannot read by the copy, or else by the committed one, or else deletes it.

    DVC writes these files in place. A full disk or a kill cuts one off, and then no command of DVC works. The stages
    that ended later run again, or come from DVC's cache. A file with the conflicts of a Git merge stays as it is.

    Returns:
        A sentence for each file that was replaced or deleted.
    """
    return [line for name in LOCKS for line in _restore(root, name)]


def _restore(root: Path, name: Path) -> list[str]:
    lock, copy = root / name, root / COPIES / name
    while lock.exists() and not _is_readable(text := lock.read_text(encoding="utf-8", errors="replace")):
        if time.time() - lock.stat().st_mtime < SECONDS_TO_WRITE:  # perhaps DVC is writing it
            time.sleep(SECONDS_BETWEEN_READS)
            continue
        if CONFLICT in text:
            break
        cut_off = f"{name} was cut off, perhaps by a full disk"
        if copy.exists():
            write_text(lock, copy.read_text(encoding="utf-8"))
            return [f"{cut_off}: restored the last one that was complete"]
        if committed := git_or_nothing(root, "show", f"HEAD:./{name}").decode():
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
