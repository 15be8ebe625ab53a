"""Finds the model that `transferline predict --model` names."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from transferline import environment
from transferline.errors import TransferlineError
from transferline.models.exported import CARD_FILE, LITE_FILE, ModelCard, load_model, read_card
from transferline.models.lite import LiteModel
from transferline.paths import INSIGHT
from transferline.registry.aliases import CHALLENGER, CHAMPION
from transferline.registry.version_cache import described
from transferline.registry.version_files import insight_of

IMAGENET = "imagenet:"


class NamedModel(NamedTuple):
    """A model with its card and its name: `waste version 3`, a model folder, or `imagenet:` and a backbone."""

    card: ModelCard
    model: LiteModel
    name: str


def open_model(name: str, project: Path | None = None) -> NamedModel:
    """Loads a model by its name.

    Args:
        name: `imagenet:` and a backbone, a model folder, or an alias or version in the registry.
        project: a folder in the project of the registry; by default the working directory.

    Raises:
        TransferlineError: there is no such model, the folder holds no model, or the name is not a folder and
            `project` is not in a project.
    """
    if name.startswith(IMAGENET):
        from transferline.models.imagenet import imagenet_model

        with redirect_stdout(sys.stderr):  # Keras prints the progress of a download
            return NamedModel(*imagenet_model(name.removeprefix(IMAGENET)), name)
    folder, shown = find_model(name, project)
    return NamedModel(read_card(folder), load_model(folder, insight_of_model(folder)), shown)


def find_model(name: str, project: Path | None = None) -> tuple[Path, str]:
    """Returns the folder of a model and its name; see `open_model`, but for the models of ImageNet."""
    folder, shown = model_folder(name), name
    if folder is None:
        folder = _registered(name, project or Path.cwd())
        shown = described(folder)
    if missing := [file for file in (CARD_FILE, LITE_FILE) if not (folder / file).is_file()]:
        raise TransferlineError(
            f"{folder} has no {' and no '.join(missing)}; a model folder is one such as models/<candidate>/<phase>"
        )
    return folder, shown


def model_folder(name: str) -> Path | None:
    """Returns the folder that a name of a model means; None if the name is an alias or a version in the registry.

    A number, `champion` and `challenger` always mean the registry; `./champion` means a folder.

    Raises:
        TransferlineError: the name is a path, and there is no such folder.
    """
    folder = Path(name).resolve()
    if name in (CHAMPION, CHALLENGER) or name.isdecimal():
        return None
    if folder.is_dir():
        return folder
    if "/" in name:
        raise TransferlineError(
            f"--model: the folder {folder} does not exist; `dvc checkout` restores the models of a project from DVC's "
            "cache, `dvc pull` from the remote, and `transferline run` trains them"
        )
    return None


def insight_of_model(folder: Path) -> Path | None:
    """Returns the folder of the stage `insight` for a model, in its version or its project; None if there is none."""
    if (folder / INSIGHT.name).exists():
        return folder / INSIGHT.name
    root = folder.parents[2] if len(folder.parents) > 2 else folder
    return insight_of(root, folder)


def _registered(name: str, start: Path) -> Path:
    from transferline.params import load_params
    from transferline.registry.champion import cached_champion

    root = environment.project_root(start.resolve())
    environment.prepare(root)
    params = load_params(root / "params.yaml")
    if name == CHAMPION and (folder := cached_champion(params.record, root, params.promote.model_name)):
        return folder
    from transferline.registry.registered_models import named_model  # MLflow takes seconds to import
    from transferline.registry.tracking import connect

    return named_model(connect(params.record, root), params, root, name)
