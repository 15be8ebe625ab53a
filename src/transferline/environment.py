"""Settings of the tools around us, in one place: no telemetry, servers on loopback, state inside the project.

They are defaults: a variable that the user has set stays as it is.
"""

import os
import sys
from pathlib import Path

from transferline.errors import TransferlineError

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # by default it takes minutes to say that a server is not there
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "OPENCV_FOR_THREADS_NUM": "1",  # views are drawn in our threads; more of them cost a third more CPU
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    # of Prefect's own lines only those of flows and tasks are shown, without level and logger
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_DATEFMT": "%H:%M:%S",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": "%(asctime)s | %(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": "%(asctime)s | %(task_run_name)s | %(message)s",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


def prepare(root: Path) -> None:
    """Sets the defaults for this process and its children, and puts this environment's programs first on PATH.

    Args:
        root: the project's folder; Prefect's database lives in its `.prefect`. The user's profiles stay those of the
            home folder.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(root / ".prefect"))
    profiles = Path.home() / ".prefect" / "profiles.toml"
    if os.environ["PREFECT_HOME"] == str(root / ".prefect") and profiles.is_file():
        os.environ.setdefault("PREFECT_PROFILES_PATH", str(profiles))
    programs = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != programs:
        os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", "")])


def project_root(start: Path) -> Path:
    """The folder at or above `start` that holds both `params.yaml` and `dvc.yaml`.

    Raises:
        TransferlineError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise TransferlineError(f"{start}: neither here nor above is a project (params.yaml and dvc.yaml); go into one")


def enter_project() -> Path:
    """Goes to the root of the project around the working directory, prepared; returns it.

    Raises:
        TransferlineError: there is none.
    """
    root = project_root(Path.cwd())
    os.chdir(root)
    prepare(root)
    return root
