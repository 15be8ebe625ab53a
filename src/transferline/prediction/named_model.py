"""Finds the model that `transferline predict --model` names."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from transferline import environment
from transferline.errors import TransferlineError
from transferline.models.exported import CARD_FILE, LITE_FILE, ModelCard, load_model, read_card
from transferline.quiet import quiet_imports

IMAGENET, CHAMPION = "imagenet:", "champion"


def open_model(name: str) -> tuple[ModelCard, Any]:
    """Loads a model by its name: `imagenet:` and a backbone, a model folder, or what the registry knows.

    For a model of the registry it goes to the root of the project around the working directory.

    Raises:
        TransferlineError: there is none, a folder holds no model, or outside of a project the name is no folder.
    """
    if name.startswith(IMAGENET):
        with quiet_imports():
            from transferline.models.imagenet import imagenet_model

        with redirect_stdout(sys.stderr):  # where Keras shows the progress of a download
            return imagenet_model(name.removeprefix(IMAGENET))
    folder = Path(name).resolve()
    if not folder.is_dir():
        folder = _registered(name)
    if missing := [file for file in (CARD_FILE, LITE_FILE) if not (folder / file).is_file()]:
        raise TransferlineError(
            f"{folder} has no {' and no '.join(missing)}; --model takes a folder such as models/<candidate>/<phase>"
        )
    return read_card(folder), load_model(folder)


def _registered(name: str) -> Path:
    from transferline.params import load_params
    from transferline.registry.champion import cached_champion

    root = environment.enter_project()
    params = load_params(root / "params.yaml")
    if name == CHAMPION and (folder := cached_champion(params.record, root, params.promote.model_name)):
        return folder
    from transferline.registry.registered_models import named_model  # MLflow takes seconds to import
    from transferline.registry.tracking import connect

    return named_model(connect(params.record, root), params, root, name)
