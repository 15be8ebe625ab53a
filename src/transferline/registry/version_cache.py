"""Copies of registered versions in the project, and the check that they are unchanged. Needs no MLflow."""

import json
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.models.exported import CARD_FILE, ModelCard
from transferline.models.training_distance import NOVELTY_FILE
from transferline.paths import INSIGHT
from transferline.registry.mlflow_model import HASHED
from transferline.yaml_text import parse_yaml

NOVELTY_TAG = "novelty_sha256"
CACHE = Path(".transferline") / "models"


def cached_folder(root: Path, name: str, version: str, hashes: Mapping[str, str]) -> Path:
    """Returns the folder of a version in the local cache."""
    return root / CACHE / f"{name}-{version}-{hashes['model_sha256'][:12]}"


def lock_of(folder: Path) -> FileLock:
    """Returns the lock for writing a folder of the local cache. The kernel releases it if its process ends."""
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def described(folder: Path) -> str:
    """Returns the name of the version in a folder of the local cache: `waste version 3`."""
    name, version, _ = folder.name.rsplit("-", 2)
    return f"{name} version {version}"


def check_cached(folder: Path, name: str, version: str, hashes: Mapping[str, str]) -> None:
    """Compares the files of a version in the local cache with the hashes that were registered.

    It writes the card again if it is not the one in `MLmodel`, for example after an upgrade of transferline.

    Raises:
        TransferlineError: a file is not the one that was registered.
    """
    files = {tag: folder / Path(file).name for file, tag in HASHED.items()} | novelty_file(folder, hashes)
    advice = f"Delete the folder {folder}: it is only a copy and is fetched again"
    verify_files(files, name, version, hashes, advice)
    card, text = folder / CARD_FILE, card_of(folder).model_dump_json(indent=2) + "\n"
    if not card.is_file() or card.read_text(encoding="utf-8", errors="replace") != text:
        with lock_of(folder):
            write_text(card, text)


def novelty_file(folder: Path, hashes: Mapping[str, str]) -> dict[str, Path]:
    """Returns the file in `folder` that decides which images are unlike the training images, if the version has one."""
    return {NOVELTY_TAG: folder / INSIGHT.name / NOVELTY_FILE} if NOVELTY_TAG in hashes else {}


def card_of(folder: Path) -> ModelCard:
    """Returns the card of a model from a folder with MLflow's file `MLmodel`."""
    file = folder / "MLmodel"
    stored = parse_yaml(file.read_text(encoding="utf-8"), file)
    return ModelCard.model_validate_json(json.dumps(stored["metadata"]))


def verify_files(files: dict[str, Path], name: str, version: str, hashes: Mapping[str, str], advice: str) -> None:
    """Checks that files are the registered ones; the keys of `files` and `hashes` are tags.

    Raises:
        TransferlineError: a file is missing or differs.
    """
    for tag, path in files.items():
        found, registered = file_sha256(path) if path.is_file() else "missing", hashes.get(tag)
        if found != registered:
            raise TransferlineError(
                f"{path} is refused: it is not the file that was registered as version {version} of {name} "
                f"(sha256 {found}, registered {registered}). {advice}"
            )
