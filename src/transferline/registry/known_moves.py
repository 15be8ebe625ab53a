"""The moves of the alias champion that a project knows: those in its ledger and, on a server, those of all projects.

On a server, each move is also a tag of the version that became the champion. Without a server there are no such tags.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from transferline.errors import TransferlineError
from transferline.params import Record
from transferline.registry import ledger
from transferline.registry.tracking import connect, is_own_store, tracking_uri
from transferline.text import reason_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

TAG = "champion_move_"  # the id of the move follows
LONGEST_REASON = 10_000  # characters; MLflow refuses a tag of more than 100,000


def known_moves(record: Record, root: Path, model: str) -> list[ledger.Move]:
    """Returns all known moves of a model's alias champion, the oldest first.

    Raises:
        TransferlineError: MLflow does not answer, or a line of the ledger or a tag is not an entry.
    """
    if is_own_store(tracking_uri(record, root), root):
        return ledger.moves_of(root, model)
    return _all_moves(connect(record, root), root, model)


def _all_moves(client: "MlflowClient", root: Path, model: str) -> list[ledger.Move]:
    own = ledger.moves_of(root, model)
    if is_own_store(client.tracking_uri, root):
        return own
    from mlflow.exceptions import MlflowException

    try:
        versions = client.search_model_versions(f"name = '{model}'")
    except MlflowException as error:
        raise TransferlineError(
            f"MLflow at {client.tracking_uri} does not list the versions of {model}: {reason_of(error)}"
        ) from error
    shared = [_read(version, tag) for version in versions for tag in version.tags if tag.startswith(TAG)]
    return sorted({move.id: move for move in (*shared, *own)}.values(), key=lambda move: move.time)


def after_known_moves(client: "MlflowClient", root: Path, move: ledger.Move) -> ledger.Move:
    """Returns a move with a time after those of all known moves: another machine's clock may be ahead.

    Raises:
        TransferlineError: see `known_moves`.
    """
    known = [datetime.fromisoformat(each.time) for each in _all_moves(client, root, move.model)]
    times = [datetime.fromisoformat(move.time), *(time + timedelta(seconds=1) for time in known)]
    return move.model_copy(update={"time": max(times).isoformat(timespec="seconds")})


def share_move(client: "MlflowClient", root: Path, move: ledger.Move) -> None:
    """Stores a move on the server, if MLflow's store is not the project's own. It may run twice.

    The fields that repeat tags of the version are left out.
    """
    if is_own_store(client.tracking_uri, root):
        return
    repeated = {*ledger.COPIED_TAGS, "images_by_class"}
    shortened = move.model_copy(update={"reason": move.reason[:LONGEST_REASON]})
    client.set_model_version_tag(
        move.model, move.version, f"{TAG}{move.id}", shortened.model_dump_json(exclude=repeated)
    )


def _read(version: "ModelVersion", tag: str) -> ledger.Move:
    try:
        return ledger.Move.model_validate(json.loads(version.tags[tag]) | ledger.provenance_of(version))
    except ValueError as error:
        raise TransferlineError(
            f"the tag {tag} of version {version.version} of {version.name} in MLflow is not a move of the champion: "
            f"{version.tags[tag][:60]!r}. If a newer transferline wrote it, install that version here; else delete "
            "the tag"
        ) from error
