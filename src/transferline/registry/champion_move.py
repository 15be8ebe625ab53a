"""Moves the alias champion. After a failure, or a kill at any point, registry and ledger are still consistent.

The intended move is first written to a journal. If a kill leaves a move in the journal, `recover` finishes it if the
alias has moved, and undoes it if not. The ledger has one entry for each move that took place, and no other entry.
"""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.progress import say
from transferline.registry import ledger
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.known_moves import after_known_moves, share_move
from transferline.registry.registered_models import version_by_alias

if TYPE_CHECKING:
    from mlflow import MlflowClient

JOURNAL = Path("mlruns/move.json")
LOCK = Path(".transferline/registry.lock")


class Journal(BaseModel):
    """A move that has started, and the version that was the challenger before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move: ledger.Move
    challenger: str | None


def move_champion(client: "MlflowClient", root: Path, move: ledger.Move) -> ledger.Move:
    """Points the alias at `move.version` after a smoke test, and writes the ledger. After an error nothing has changed.

    A promoted version first becomes the challenger, and the smoke test loads it by that alias.

    Returns:
        The move as the ledger has it, with a time after those of all known moves.

    Raises:
        TransferlineError: the smoke test failed, the champion is no longer `move.former`, or see `known_moves`.
    """
    with _lock(root):
        return _move(client, root, after_known_moves(client, root, move))


def _move(client: "MlflowClient", root: Path, move: ledger.Move) -> ledger.Move:
    _require_former(client, move)
    journal = Journal(move=move, challenger=_version(client, move.model, CHALLENGER))
    _write(root, journal)
    reference = CHALLENGER if move.kind == "promotion" else move.version
    try:
        if reference == CHALLENGER:
            point(client, move.model, CHALLENGER, move.version)
        smoke_test(client, move.model, reference)
        _require_former(client, move)  # the lock does not keep other machines out while the smoke test runs
        point(client, move.model, CHAMPION, move.version)
        ledger.append(root, move)
    except BaseException:
        if not _is_written(root, move):
            _undo(client, root, journal)
        raise
    _finish(client, root, move)
    return move


def _require_former(client: "MlflowClient", move: ledger.Move) -> None:
    if (champion := _version(client, move.model, CHAMPION)) != move.former:
        raise TransferlineError(
            f"another command made version {champion} the champion of {move.model} in the meantime; run this again"
        )


def recover(client: "MlflowClient", root: Path) -> None:
    """Finishes or undoes a move that was killed; does nothing if there is none."""
    with _lock(root):
        _recover(client, root)


def _recover(client: "MlflowClient", root: Path) -> None:
    path = root / JOURNAL
    if not path.exists():
        return
    try:
        journal = Journal.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError:  # the journal is complete before a move begins, so this move had not begun
        path.unlink()
        say(f"{JOURNAL} was cut off: its move of the champion had not begun")
        return
    move = journal.move
    named = f"an interrupted {move.kind} of version {move.version} of {move.model}"
    written = _is_written(root, move)
    if not written and _version(client, move.model, CHAMPION) != move.version:
        _undo(client, root, journal)
        say(f"{named} was undone")
        return
    if not written:
        ledger.append(root, move)
    _finish(client, root, move)
    say(f"{named} was finished")


def smoke_test(client: "MlflowClient", model: str, reference: str) -> None:
    """Loads a version in a new process as a server does, and compares its predictions with those of the trained model.

    Raises:
        TransferlineError: the version cannot be loaded, or its predictions differ.
    """
    command = [sys.executable, "-m", "transferline", "smoke", client.tracking_uri, model, reference]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it printed no message"]
        raise TransferlineError(
            f"smoke test of {model} {reference} failed, the champion stays: {lines[-1].removeprefix('error: ')}"
        )


def point(client: "MlflowClient", model: str, alias: str, version: str | None) -> None:
    """Points an alias at a version; None deletes the alias."""
    if version is not None:
        client.set_registered_model_alias(model, alias, version)
    elif _version(client, model, alias) is not None:
        client.delete_registered_model_alias(model, alias)


def _undo(client: "MlflowClient", root: Path, journal: Journal) -> None:
    """Points the aliases back, except one that another machine has moved since."""
    move = journal.move
    for alias, former in ((CHAMPION, move.former), (CHALLENGER, journal.challenger)):
        if _version(client, move.model, alias) == move.version:
            point(client, move.model, alias, former)
    (root / JOURNAL).unlink()


def _finish(client: "MlflowClient", root: Path, move: ledger.Move) -> None:
    """Writes the move as tags of the versions: for MLflow's page, and for other projects. It may run twice."""
    share_move(client, root, move)
    if move.former is not None:
        client.set_model_version_tag(move.model, move.former, "champion_until", move.time)
    client.set_model_version_tag(move.model, move.version, "champion_since", move.time)
    (root / JOURNAL).unlink()


def _lock(root: Path) -> FileLock:
    """Returns the lock that allows one move at a time; others wait. The kernel releases it if its process ends."""
    path = root / LOCK
    path.parent.mkdir(exist_ok=True)
    return FileLock(path)


def _write(root: Path, journal: Journal) -> None:
    write_text(root / JOURNAL, journal.model_dump_json(indent=2) + "\n")


def _is_written(root: Path, move: ledger.Move) -> bool:
    return any(entry.id == move.id for entry in ledger.read(root))


def _version(client: "MlflowClient", model: str, alias: str) -> str | None:
    found = version_by_alias(client, model, alias)
    return str(found.version) if found else None
