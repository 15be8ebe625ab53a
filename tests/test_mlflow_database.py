"""MLflow's database after a kill during its creation, with the real MLflow."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from tests.conftest import ROOT
from tests.empty_databases import give_mlflow_database
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.registry.tracking import connect

RECORD = load_params(ROOT / "recipes" / "digits.yaml").record
STATEMENTS = 400  # MLflow 3.17 executes more than that to create its tables

# creates the database in the current folder, and sends itself a signal after a statement: the NTH, or one with a TEXT
CREATE = """
import os
import sys
from pathlib import Path

import mlflow
from sqlalchemy import Engine, event

from tests.test_mlflow_database import RECORD
from transferline.registry.tracking import connect

who, sign, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
statements = []

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    statements.append(statement)
    if str(len(statements)) == moment or moment in statement:
        os.kill(os.getpid(), sign)

Path("mlruns").mkdir(exist_ok=True)
if who == "mlflow":
    mlflow.MlflowClient("sqlite:///mlruns/mlflow.db").search_experiments()
else:
    connect(RECORD, Path.cwd())
"""


def interrupted(root: Path, who: str, moment: str, sign: signal.Signals = signal.SIGKILL) -> None:
    words = [sys.executable, "-c", CREATE, who, str(int(sign)), moment]
    done = subprocess.run(words, cwd=root, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode in (-sign, 1), done.stderr  # 1: Alembic raises its own error instead


def files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "mlruns").iterdir())


def moments(count: int) -> list[str]:
    return [str(nth) for nth in random.Random(26).sample(range(20, STATEMENTS), count)]


@pytest.mark.thorough
@pytest.mark.parametrize("moment", moments(3))
def test_a_database_whose_creation_was_killed_is_replaced(moment: str, tmp_path: Path, capsys) -> None:
    interrupted(tmp_path, "mlflow", moment)
    client = connect(RECORD, tmp_path)
    assert "its creation was interrupted, and it holds no run; made a new one" in capsys.readouterr().out
    client.create_run(client.create_experiment("x"))
    assert {"mlflow.db", "mlflow.db.incomplete"} <= set(files(tmp_path))
    connect(RECORD, tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.thorough
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("moment", moments(2))
def test_our_creation_leaves_no_incomplete_database(moment: str, sign: signal.Signals, tmp_path: Path, capsys) -> None:
    interrupted(tmp_path, "transferline", moment, sign)
    assert files(tmp_path) == ([".mlflow.db.partial"] if sign == signal.SIGKILL else [])
    connect(RECORD, tmp_path)
    assert files(tmp_path) == ["mlflow.db"]
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_mlflow_itself_cannot_open_such_a_database(tmp_path: Path) -> None:
    """When this fails, MLflow has fixed the bug: `prepare_mlflow_database` can go."""
    interrupted(tmp_path, "mlflow", "CREATE TABLE secrets")
    with pytest.raises(Exception, match="table secrets already exists"):
        mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns/mlflow.db").touch()
    connect(RECORD, tmp_path)
    assert files(tmp_path) == ["mlflow.db"]


def outdated(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE alembic_version SET version_num = '2d6e25af4d3e'")
    database.close()


def test_a_database_with_runs_is_never_replaced(tmp_path: Path) -> None:
    give_mlflow_database(tmp_path / "other")  # a client that has opened a file does not check its version again
    mlflow.MlflowClient(f"sqlite:///{tmp_path}/other/mlruns/mlflow.db").create_run("0")
    (tmp_path / "other/mlruns").rename(tmp_path / "mlruns")
    file = tmp_path / "mlruns/mlflow.db"
    outdated(file)
    before = file.read_bytes()
    with pytest.raises(TransferlineError, match="out-of-date database schema"):
        connect(RECORD, tmp_path)
    assert file.read_bytes() == before and files(tmp_path) == ["mlflow.db"]


def test_a_file_that_is_no_database_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns/mlflow.db").write_text("notes " * 1000)
    with pytest.raises(TransferlineError, match="file is not a database"):
        connect(RECORD, tmp_path)
    assert files(tmp_path) == ["mlflow.db"]
