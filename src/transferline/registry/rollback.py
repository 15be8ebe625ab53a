"""Rollback: an earlier champion becomes the champion again."""

from pathlib import Path
from typing import TYPE_CHECKING

from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.models.exported import LITE_FILE
from transferline.params import Params
from transferline.paths import MANIFEST
from transferline.registry import ledger
from transferline.registry.aliases import CHAMPION
from transferline.registry.champion import require_recorded
from transferline.registry.champion_move import move_champion, recover
from transferline.registry.known_moves import known_moves
from transferline.registry.last_refusal import basis
from transferline.registry.registered_models import keep_copy, version_named
from transferline.registry.tracking import connect

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def rollback(params: Params, root: Path, reason: str, to: str | None = None) -> ledger.Move:
    """Makes an earlier champion the champion again if it passes the smoke test, and writes the move to the ledger.

    Args:
        params: name the model.
        root: the project's folder.
        reason: for the ledger.
        to: the version; None for the champion before the present one.

    Raises:
        TransferlineError: there is no such earlier champion, or the smoke test failed.
    """
    client, name = connect(params.record, root), params.promote.model_name
    recover(client, root)
    present = version_named(client, name, CHAMPION)
    require_recorded(params.record, root, name, str(present.version))
    promotion = _earlier(known_moves(params.record, root, name), present, to)
    version = version_named(client, name, promotion.version)
    move = ledger.Move(
        kind="rollback",
        model=name,
        former=str(present.version),
        version=str(version.version),
        reason=reason,
        forced=False,
        figure=promotion.figure,
        test_set=promotion.test_set,
        state=basis(params, [root / MANIFEST], None) if (root / MANIFEST).exists() else "",
        **ledger.provenance_of(version),
    )
    move = move_champion(client, root, move)
    keep_copy(version, root)
    return move


def rolled_back(params: Params, root: Path, folder: Path) -> str:
    """Returns why the model of a folder may not return, in a sentence; "" if it was not rolled back, or may return.

    A model that was rolled back may return after a change of data, params or code.
    """
    moves = known_moves(params.record, root, params.promote.model_name)
    move = ledger.rollback_of(moves, file_sha256(folder / LITE_FILE))
    if move is None or (move.state and move.state != basis(params, [root / MANIFEST], None)):
        return ""
    return (
        f"this model is version {move.former}, which {move.who} rolled back on {move.time[:10]} ({move.reason}), "
        "and data, params and code have not changed since; change them, or promote it again with `transferline promote "
        "--force --reason WHY`"
    )


def _earlier(moves: list[ledger.Move], present: "ModelVersion", to: str | None) -> ledger.Move:
    """Returns the latest move to the version `to`; by default to the champion that the present one replaced."""
    latest = {move.version: move for move in moves}
    number = str(present.version)
    earlier = [version for version in latest if version != number]
    if to is None:
        promoted = [move for move in moves if (move.version, move.kind) == (number, "promotion")]
        to = promoted[-1].former if promoted else None
    if to is None or to not in earlier:
        fault = f"version {to} is not an earlier champion" if to else f"version {number} replaced no champion"
        choice = f"choose one with --to {' or '.join(earlier)}" if earlier else "there is no earlier champion"
        raise TransferlineError(f"{fault} of {present.name}; {choice}")
    return latest[to]
