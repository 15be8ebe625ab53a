"""Recipes: complete `params.yaml` files, of which one is in use."""

import shutil
import subprocess
from pathlib import Path

from transferline.errors import TransferlineError
from transferline.params import Params, load_params


def use(recipe: Path, root: Path, force: bool) -> Params:
    """Makes a recipe the project's `params.yaml`.

    Args:
        recipe: a complete params file.
        root: the project's folder.
        force: overwrite changes of `params.yaml` that are saved nowhere else.

    Returns:
        The params that are now in use.

    Raises:
        TransferlineError: the recipe is faulty, or `params.yaml` holds unsaved changes.
    """
    params = load_params(recipe)
    target = root / "params.yaml"
    if not force and target.exists() and not _is_saved(target, root):
        raise TransferlineError(
            f"{target} has changes that neither Git nor a recipe holds: commit it, copy it to recipes/, or use --force"
        )
    shutil.copyfile(recipe, target)
    return params


def _is_saved(target: Path, root: Path) -> bool:
    content = target.read_bytes()
    committed = subprocess.run(["git", "show", "HEAD:./params.yaml"], cwd=root, capture_output=True, check=False)
    recipes = (root / "recipes").glob("*.yaml")
    return content == committed.stdout or any(content == recipe.read_bytes() for recipe in recipes)
