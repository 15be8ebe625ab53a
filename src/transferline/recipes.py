"""Recipes: complete `params.yaml` files, of which one is in use."""

import json
import shutil
from pathlib import Path

from transferline.datasets.public_datasets import list_source
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.params import Params, load_params
from transferline.paths import BANK, EVALUATIONS, MANIFEST, METRICS, MODELS, VALIDATION_REPORT, VIEWS
from transferline.progress import say


def use(recipe: Path, root: Path, force: bool) -> Params:
    """Makes a recipe the project's `params.yaml`, and removes what another job has left in the folders of results.

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
    if not _has_the_same_data(target, params):
        _remove(root, [BANK, MODELS, EVALUATIONS, VALIDATION_REPORT.parent, MANIFEST, VIEWS, METRICS])
    remove_other_candidates(root, params)
    shutil.copyfile(recipe, target)
    list_source(root, params.data.dataset)
    return params


def remove_other_candidates(root: Path, params: Params) -> None:
    """Removes the results of candidates that the params do not name, so that nobody takes them for present ones.

    DVC's cache still holds them: a stage that has run on the same data with the same params is restored from there.
    """
    folders = [folder for kind in (BANK, MODELS, EVALUATIONS) for folder in sorted((root / kind).glob("*/"))]
    others = [folder.relative_to(root) for folder in folders if folder.name not in params.candidates]
    _remove(root, [*others, *([METRICS] if _selected(root) not in (None, *params.candidates) else [])])


def _has_the_same_data(file: Path, params: Params) -> bool:
    try:
        return load_params(file).data == params.data
    except TransferlineError:  # missing, or faulty
        return False


def _selected(root: Path) -> str | None:
    """The candidate that `select` chose, if it has run."""
    file = root / METRICS
    return str(json.loads(file.read_text(encoding="utf-8"))["selected"]["candidate"]) if file.exists() else None


def _remove(root: Path, paths: list[Path]) -> None:
    there = [path for path in paths if (root / path).exists()]
    for path in there:
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()
    if there:
        say(f"removed the results of another job: {', '.join(map(str, there))}; DVC restores them when it runs again")


def _is_saved(target: Path, root: Path) -> bool:
    content = target.read_bytes()
    committed = git_or_nothing(root, "show", "HEAD:./params.yaml")
    recipes = (root / "recipes").glob("*.yaml")
    return content == committed or any(content == recipe.read_bytes() for recipe in recipes)
