"""Empty databases of Prefect and MLflow. Creating one takes a second or more; copying it takes almost no time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.made_once import made_once

PREFECT, MLFLOW = "prefect.db", "mlflow.db"


def give_database(home: Path) -> None:
    """Puts Prefect's into `home`, which PREFECT_HOME is to name."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(made_once("prefect", _make_prefect) / PREFECT, home)


def give_mlflow_database(root: Path) -> None:
    """Puts MLflow's into `mlruns` of a project."""
    (root / "mlruns").mkdir(parents=True, exist_ok=True)
    shutil.copy(made_once("mlflow", _make_mlflow) / MLFLOW, root / "mlruns")


def _make_prefect(home: Path) -> None:
    env = os.environ | {"PREFECT_HOME": str(home)}
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
    subprocess.run(command, env=env, check=True, capture_output=True)


def _make_mlflow(folder: Path) -> None:
    from mlflow import MlflowClient

    folder.mkdir()
    MlflowClient(f"sqlite:///{folder / MLFLOW}").search_experiments(max_results=1)
