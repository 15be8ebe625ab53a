"""Environment variables for the other tools: no telemetry, servers on loopback, state inside the project.

They are defaults: a variable that the user has set keeps its value.
"""

import getpass
import os
import sys
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.project_files import other_version

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "False",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default takes minutes to report a missing server
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "OPENCV_FOR_THREADS_NUM": "1",  # our own threads compute views; threads of OpenCV add a third of CPU time
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    # Prefect's log shows only the lines of flows and tasks, without level and logger.
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

TOLD_OF_VERSION = "TRANSFERLINE_TOLD_OF_VERSION"  # set for the child processes, which need not print it again


def prepare(root: Path) -> None:
    """Sets the defaults for this process and its children, and puts this Python environment's programs first on PATH.

    Args:
        root: the project's folder. Its `.prefect` holds Prefect's database. The user's Prefect profiles are still read
            from the home folder.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(root / ".prefect"))
    _give_user_a_name_and_a_home(root)
    profiles = Path.home() / ".prefect" / "profiles.toml"
    if os.environ["PREFECT_HOME"] == str(root / ".prefect") and profiles.is_file():
        os.environ.setdefault("PREFECT_PROFILES_PATH", str(profiles))
    programs = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != programs:
        os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", "")])


def _give_user_a_name_and_a_home(root: Path) -> None:
    """Sets LOGNAME and HOME if the system knows neither, as in a container that runs with any number as its user."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(root / ".transferline" / "home")


def project_root(start: Path) -> Path:
    """Returns the nearest folder, `start` or one above it, with both `params.yaml` and `dvc.yaml`.

    Raises:
        TransferlineError: there is no such folder.
    """
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise TransferlineError(
        f"{start} is not in a project, which is a folder with params.yaml and dvc.yaml; change to a project's folder"
    )


def enter_project() -> Path:
    """Changes the working directory to the root of its project and calls `prepare`; returns the root.

    If another minor version of transferline made the project, it prints so on standard error.

    Raises:
        TransferlineError: the working directory is not in a project.
    """
    root = project_root(Path.cwd())
    os.chdir(root)
    prepare(root)
    if TOLD_OF_VERSION not in os.environ and (notice := other_version(root)):
        os.environ[TOLD_OF_VERSION] = "1"
        print(notice, file=sys.stderr)
    return root
