"""The ledger: every move of the alias champion by this project, one JSON line each, in `mlruns/ledger.jsonl`.

Lines are only ever appended. The file is in the project's `mlruns`, also if MLflow runs on a server; `known_moves` then
adds the moves of other projects.
"""

import errno
import getpass
import json
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transferline.errors import TransferlineError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

LEDGER = Path("mlruns/ledger.jsonl")
COPIED_TAGS = (
    "dataset",
    "data_revision",
    "corrections_revision",
    "images",
    "git_commit",
    "git_changed",
    "dvc_lock_sha256",
    "validation_sha256",
    "candidate",
    "phase",
    "model_sha256",
    "tflite_sha256",
    "code_sha256",
    "mlmodel_sha256",
    "novelty_sha256",
)


def _who() -> str:
    return f"{getpass.getuser()}@{platform.node()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Move(BaseModel):
    """One move of the alias champion.

    Attributes:
        former, version: the alias moved from `former` (None for the first champion) to `version`.
        forced: whether the version was promoted although gates failed.
        figure: the test metric of `version` when it was promoted, such as `accuracy 0.9432`.
        test_set: sha256 of the list of test images of the decision; `data/tested_images.txt` names it.
        state: of a rollback: a sha256 over data, params and code at that time (see `last_refusal.basis`); empty if the
            project had no manifest then.
        data_revision, corrections_revision, images, images_by_class: see `TrainedData`; older lines lack some.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: uuid4().hex)
    time: str = Field(default_factory=_now)
    who: str = Field(default_factory=_who)
    kind: Literal["promotion", "rollback"]
    model: str
    former: str | None
    version: str
    reason: str
    forced: bool
    figure: str
    test_set: str
    state: str = ""
    dataset: str = ""
    data_revision: str = ""
    corrections_revision: str = ""
    images: int = 0
    images_by_class: dict[str, int] = Field(default_factory=dict)
    git_commit: str = ""
    git_changed: str = ""
    dvc_lock_sha256: str = ""
    validation_sha256: str = ""
    candidate: str = ""
    phase: str = ""
    model_sha256: str = ""
    tflite_sha256: str = ""
    code_sha256: str = ""
    mlmodel_sha256: str = ""
    novelty_sha256: str = ""

    def copied_tags(self) -> dict[str, str]:
        """Returns the tags of the version that the move repeats."""
        return {name: str(getattr(self, name)) for name in COPIED_TAGS if getattr(self, name)}


def provenance_of(version: "ModelVersion") -> dict[str, Any]:
    """Returns the fields of a move that repeat a version's tags."""
    copied = {name: version.tags[name] for name in COPIED_TAGS if name in version.tags}
    return {**copied, "images_by_class": json.loads(version.tags.get("images_by_class", "{}"))}


def append(root: Path, move: Move) -> None:
    """Adds a line; it is on disk when this returns. After an error, such as a full disk, the file is as before.

    The line replaces a last line that a kill cut off.
    """
    path = root / LEDGER
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    before = _complete_lines(path)
    with path.open("r+b", buffering=0) as file:
        size = min(len(before), file.seek(0, os.SEEK_END))
        line = before[size:] + move.model_dump_json().encode() + b"\n"
        file.truncate(size)
        file.seek(size)
        if file.write(line) < len(line):
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())


def _complete_lines(path: Path) -> bytes:
    """Returns the content of the file; a last line that was cut off is left out, and a missing newline is added."""
    data = path.read_bytes()
    complete, newline, last = data.rpartition(b"\n")
    if not last:
        return data
    try:
        Move.model_validate_json(last)
    except ValidationError:
        return complete + newline
    return data + b"\n"


def read(root: Path) -> list[Move]:
    """Returns all moves, the oldest first.

    Raises:
        TransferlineError: a line is not an entry as `append` writes it.
    """
    path = root / LEDGER
    if not path.exists():
        return []
    moves = []
    # bytes, because str.splitlines also splits at characters that a reason may contain, such as U+2028
    for number, line in enumerate(_complete_lines(path).splitlines(), 1):
        try:
            moves.append(Move.model_validate_json(line))
        except ValidationError as error:
            raise TransferlineError(
                f"{LEDGER}, line {number} is not an entry: {line[:60].decode(errors='replace')!r}. Restore the file "
                "from a backup, or delete the line"
            ) from error
    return moves


def moves_of(root: Path, model: str) -> list[Move]:
    """Returns the moves of one model, the oldest first; see `read`."""
    return [move for move in read(root) if move.model == model]


def last_move(root: Path, model: str) -> Move | None:
    """Returns the move that made the present champion of a model."""
    moves = moves_of(root, model)
    return moves[-1] if moves else None


def rollback_of(moves: Iterable[Move], tflite_sha256: str) -> Move | None:
    """Returns the rollback that replaced a model, if the model has not been the champion since.

    Args:
        moves: all moves of the registered model, the oldest first.
        tflite_sha256: of the model file. Unlike the Keras file it is the same after the same training.
    """
    found, of_version = None, dict[str, str]()
    for move in moves:
        of_version[move.version] = move.tflite_sha256
        if move.kind == "rollback" and of_version.get(move.former or "") == tflite_sha256:
            found = move
        elif move.tflite_sha256 == tflite_sha256:
            found = None
    return found


def history(moves: Sequence[Move], model: str) -> str:
    """Returns all moves of a model, which come the oldest first, as a table with the latest first."""
    if not moves:
        return f"{LEDGER} names no champion of {model} (without an MLflow server, each clone knows only its own moves)"
    rows = [("time (UTC)", "move", "from", "to", "test", "data", "images", "commit", "user", "reason")]
    rows += [
        (
            move.time[:16].replace("T", " "),
            move.kind + (", forced" if move.forced else ""),
            move.former or "-",
            move.version,
            move.figure,
            move.data_revision[:8] or "-",
            f"{move.images:,}" if move.images else "-",
            (move.git_commit[:8] or "-") + ("+" if move.git_changed else ""),
            move.who,
            move.reason,
        )
        for move in reversed(moves)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)
