"""Finds the present champion. It avoids MLflow if possible, because that import takes seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.params import Params, Record
from transferline.registry import ledger
from transferline.registry.aliases import CHAMPION
from transferline.registry.known_moves import known_moves
from transferline.registry.tracking import connect, is_own_store, tracking_uri
from transferline.registry.version_cache import cached_folder, check_cached


@dataclass(frozen=True)
class Champion:
    """The version with the alias champion.

    Attributes:
        version: its number.
        tags: the tags of the version that the ledger repeats, such as candidate, phase and the hashes of its files.
        move: the move that made it the champion; None if it is not known.
    """

    version: str
    tags: Mapping[str, str]
    move: ledger.Move | None


def champion_of(record: Record, root: Path, name: str) -> Champion | None:
    """Returns the champion of a model, if it has one.

    It comes from the ledger if MLflow's store belongs to this project, else from MLflow.

    Raises:
        TransferlineError: MLflow does not answer, or the ledger cannot be read.
    """
    if is_own_store(tracking_uri(record, root), root):
        move = ledger.last_move(root, name)
        return Champion(move.version, move.copied_tags(), move) if move else None
    from transferline.registry.registered_models import version_by_alias

    found = version_by_alias(connect(record, root), name, CHAMPION)
    if found is None:
        return None
    moves = [move for move in known_moves(record, root, name) if move.version == str(found.version)]
    return Champion(str(found.version), dict(found.tags), moves[-1] if moves else None)


def require_recorded(record: Record, root: Path, name: str, version: str | None) -> None:
    """Checks that the alias champion has not been moved in MLflow itself, past the ledger of the project.

    Args:
        record: where MLflow's store is. If it does not belong to this project, there is nothing to check.
        root: the project's folder.
        name: of the registered model.
        version: the version with the alias; None if there is none.

    Raises:
        TransferlineError: the alias is at another version than the last move of the ledger.
    """
    move = ledger.last_move(root, name) if is_own_store(tracking_uri(record, root), root) else None
    if move and version and move.version != version:
        raise TransferlineError(
            f"the alias {CHAMPION} of {name} is at version {version}, but by {ledger.LEDGER} version {move.version} is "
            f"the champion: the alias was moved in MLflow. Move it back to version {move.version} there (`transferline "
            f"ui`); `transferline rollback --to {version} --reason WHY` moves it so that the ledger has it"
        )


def describe_champion(params: Params, root: Path) -> str:
    """Returns a line with the champion and its test metric."""
    name = params.promote.model_name
    found = champion_of(params.record, root, name)
    if found is None:
        return f"champion of {name}: none yet"
    named = f"champion of {name}: version {found.version} ({found.tags['candidate']}, {found.tags['phase']})"
    move = found.move
    return f"{named}, test {move.figure}, since {move.time} ({move.kind} by {move.who})" if move else named


def cached_champion(record: Record, root: Path, name: str) -> Path | None:
    """Returns the model folder of the champion, if the ledger names it and the project holds a copy of it.

    Raises:
        TransferlineError: a file of the copy is not the one that was registered.
    """
    if not is_own_store(tracking_uri(record, root), root):
        return None
    move = ledger.last_move(root, name)
    if move is None or not move.tflite_sha256:
        return None
    folder = cached_folder(root, name, move.version, move.copied_tags())
    if not folder.exists():
        return None
    check_cached(folder, name, move.version, move.copied_tags())
    return folder
