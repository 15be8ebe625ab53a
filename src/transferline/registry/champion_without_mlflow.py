"""The champion, read without MLflow: its import takes longer than all else that a run with nothing to do does."""

import sqlite3
from contextlib import closing
from pathlib import Path

from transferline.params import Record
from transferline.registry.tracking import connect, tracking_uri

QUERY = """
SELECT aliases.version, tags.key, tags.value FROM registered_model_aliases AS aliases
LEFT JOIN model_version_tags AS tags ON tags.workspace = aliases.workspace
AND tags.name = aliases.name AND tags.version = aliases.version
WHERE aliases.workspace = 'default' AND aliases.name = ? AND aliases.alias = 'champion'
"""


def champion_of(record: Record, root: Path, name: str) -> tuple[str, dict[str, str]] | None:
    """Version and tags of a model's champion, if it has one.

    MLflow itself is asked where its store is no SQLite file, or one with other tables than those of today. A file that
    is missing has no champion, and stays missing.

    Raises:
        TransferlineError: it does not answer.
    """
    uri = tracking_uri(record, root)
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///"):
        return _asked(record, root, name)
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute(QUERY, (name,)).fetchall()
    except sqlite3.Error:
        return _asked(record, root, name)
    return (str(rows[0][0]), {key: value for _, key, value in rows}) if rows else None


def _asked(record: Record, root: Path, name: str) -> tuple[str, dict[str, str]] | None:
    from transferline.registry.registered_models import CHAMPION, version_by_alias

    found = version_by_alias(connect(record, root), name, CHAMPION)
    return (str(found.version), dict(found.tags)) if found else None
