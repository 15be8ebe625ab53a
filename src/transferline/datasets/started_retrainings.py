"""The changes of the raw data for which `watch` has started a retraining, in `.transferline/watched.json`."""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transferline.atomic_files import write_text
from transferline.datasets.new_data import NewData, trained_on

FILE = Path(".transferline/watched.json")


class Started(BaseModel):
    """A retraining that was started: its time, its reason, and its flow run if it belongs to a deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: str
    reason: str
    run: str | None = None


class _Watched(BaseModel):
    """The retrainings that were started since the training on the data `trained`, by the key of the change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    trained: str
    started: dict[str, Started] = Field(default_factory=dict)


def started_for(root: Path, dataset: str, change: NewData) -> Started | None:
    """Returns the retraining that was started for this change since the last training on other data; else None."""
    return _read(root, dataset).started.get(change.key)


def remember(root: Path, dataset: str, change: NewData, run: str | None = None) -> None:
    """Records that a retraining was started now for a change."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %z")
    _write(root, dataset, {change.key: Started(time=now, reason=change.reason, run=run)})


def take_back(root: Path, dataset: str, change: NewData) -> None:
    """Removes the record for a change, because its retraining was cancelled before it began."""
    _write(root, dataset, {change.key: None})


def _read(root: Path, dataset: str) -> _Watched:
    file, fresh = root / FILE, _Watched(dataset=dataset, trained=trained_on(root, dataset))
    try:
        found = _Watched.model_validate_json(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):  # an unreadable file causes at most one more retraining
        return fresh
    return found if (found.dataset, found.trained) == (fresh.dataset, fresh.trained) else fresh


def _write(root: Path, dataset: str, changed: dict[str, Started | None]) -> None:
    before, file = _read(root, dataset), root / FILE
    entries = {key: entry for key, entry in {**before.started, **changed}.items() if entry}
    write_text(file, before.model_copy(update={"started": entries}).model_dump_json(indent=2) + "\n")
