"""Workarounds for bugs of other tools: one function for each bug, with a link to the upstream issue.

tests/test_workarounds.py fails when the other tool has fixed a bug. Then delete its function here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import psutil
from dvc.lock import make_lock
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

from transferline.progress import say


def free_dvc_locks(root: Path) -> list[str]:
    """Removes killed processes from `.dvc/tmp/rwlock`, where DVC lists the paths that each process reads and writes.

    Usually DVC does this itself. But it does not if a new process has the same process id as the killed one. Then DVC
    refuses to run until somebody deletes the file: https://github.com/treeverse/dvc/issues/3164. DVC's other lock,
    `.dvc/tmp/lock`, needs no workaround: the kernel frees it when its process ends.

    If a kill or a full disk cut the file off, DVC refuses to run, too. Then the file is deleted.

    Returns:
        A sentence for each killed process, or for the deleted file.
    """
    folder = root / ".dvc" / "tmp"
    file = folder / RWLOCK_FILE
    if not file.exists():
        return []
    with make_lock(str(folder / RWLOCK_LOCK), wait=True):
        try:
            locks = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            file.unlink()
            return [f"deleted {file.relative_to(root)}, which was cut off"]
        infos = [info for entry in locks.get("read", {}).values() for info in entry] + [
            *locks.get("write", {}).values()
        ]
        dead = {info["pid"]: info["cmd"] for info in infos if not _is_at_work(**info)}
        if dead:
            file.write_text(json.dumps(_without(locks, set(dead))), encoding="utf-8")
    return [f"freed what `{command}` (pid {pid}), which was killed, had locked in DVC" for pid, command in dead.items()]


def _is_at_work(pid: int, cmd: str) -> bool:
    """Returns whether process `pid` runs and its command line ends with the arguments of `cmd`, as DVC recorded it."""
    try:
        return " ".join(psutil.Process(pid).cmdline()).endswith(cmd.partition(" ")[2])
    except psutil.NoSuchProcess:
        return False


def _without(locks: dict[str, Any], dead: set[int]) -> dict[str, Any]:
    readers = {
        path: [info for info in infos if info["pid"] not in dead] for path, infos in locks.get("read", {}).items()
    }
    return {
        "read": {path: infos for path, infos in readers.items() if infos},
        "write": {path: info for path, info in locks.get("write", {}).items() if info["pid"] not in dead},
    }


def prepare_mlflow_database(file: Path) -> None:
    """Creates MLflow's SQLite database if it is missing, or if its creation was interrupted and it holds no run.

    MLflow creates its tables in many steps. After a kill between two of them it can never open the database again:
    https://github.com/mlflow/mlflow/issues/23721. So it is created in another folder and moved to `file` when it is
    complete. An incomplete database stays beside the new one, with the ending `.incomplete`.

    The caller holds a lock, so that only one process creates the database.
    """
    if file.exists() and file.stat().st_size:
        if not _is_incomplete(file):
            return
        kept = file.with_name(f"{file.name}.incomplete")
        for ending in ("-journal", ""):  # SQLite would apply the journal of the old database to the new one
            if (part := Path(f"{file}{ending}")).exists():
                part.replace(f"{kept}{ending}")
        say(f"{file}: its creation was interrupted, and it holds no run; made a new one, the old one is {kept.name}")
    _create_mlflow_database(file)


def _create_mlflow_database(file: Path) -> None:
    import mlflow

    folder = file.with_name(f".{file.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)  # a killed creation leaves it
    folder.mkdir(parents=True)
    try:
        mlflow.MlflowClient(f"sqlite:///{folder / file.name}").search_experiments(max_results=1)
        (folder / file.name).replace(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_incomplete(file: Path) -> bool:
    """Returns whether a database holds no run and lacks some steps of its creation; False if it cannot be read."""
    import mlflow.store
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import create_engine, func, inspect, select
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            has_table = inspect(connection).has_table(SqlRun.__tablename__)
            if has_table and connection.scalar(select(func.count()).select_from(SqlRun)):
                return False
            step = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(Path(mlflow.store.__path__[0]) / "db_migrations"))
    return step != ScriptDirectory.from_config(config).get_current_head()
