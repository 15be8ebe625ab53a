"""Writes the complete `params.yaml` from a recipe, a short file with the values that differ from the defaults."""

import json
import shutil
from pathlib import Path

from transferline.atomic_files import write_text
from transferline.datasets.public_datasets import list_source
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.params import Params, load_params
from transferline.params.load import parse_params
from transferline.params.missing import listed, missing_keys, with_missing_keys
from transferline.params.write import complete_text
from transferline.paths import BANK, EVALUATIONS, MANIFEST, METRICS, MODELS, VALIDATION_REPORT, VIEWS
from transferline.progress import say


def use(recipe: Path, root: Path, force: bool) -> Params:
    """Writes the complete `params.yaml` from a recipe, and removes results that do not belong to its params.

    It removes all results if the section `data` differs from that of the old `params.yaml`, or if that file is missing
    or faulty. Else it removes only the results of candidates that the recipe does not name.

    Args:
        recipe: a params file. It may leave out every key that has a default.
        root: the project's folder.
        force: whether to overwrite a `params.yaml` whose changes are neither in Git nor in a recipe.

    Returns:
        The params of the recipe.

    Raises:
        TransferlineError: the recipe is faulty, or `params.yaml` has such changes and `force` is False.
    """
    params = load_params(recipe)
    target = root / "params.yaml"
    if not force and target.exists() and not _is_saved(target, root):
        raise TransferlineError(
            f"{target} has changes that are saved neither in Git nor in a recipe; commit it, copy it to recipes/, "
            "or use --force to overwrite it"
        )
    before = _loaded(target)
    if not before or before.data != params.data:
        _remove(root, [BANK, MODELS, EVALUATIONS, VALIDATION_REPORT.parent, MANIFEST, VIEWS, METRICS])
    remove_other_candidates(root, params)
    if before and (lacking := missing_keys(target.read_text(encoding="utf-8"), before)):
        _tell_added(lacking)
    write_text(target, complete_text(params))
    list_source(root, params.data.dataset)
    return params


def complete_params(root: Path) -> Params:
    """Adds missing keys to `params.yaml` with their defaults, prints their names, and returns the params.

    Raises:
        TransferlineError: the file is faulty.
    """
    file = root / "params.yaml"
    params, text = load_params(file), file.read_text(encoding="utf-8")
    if lacking := missing_keys(text, params):
        write_text(file, with_missing_keys(text, params))
        _tell_added(lacking)
    return params


def _tell_added(keys: list[str]) -> None:
    say(f"added missing keys to params.yaml: {listed(keys)}; `transferline params KEY` explains a key")


def remove_other_candidates(root: Path, params: Params) -> None:
    """Removes the results of candidates that the params do not name, so that nobody takes them for current results.

    DVC's cache keeps them. DVC restores the outputs of a stage that ran earlier on the same data with the same params.
    """
    folders = [folder for kind in (BANK, MODELS, EVALUATIONS) for folder in sorted((root / kind).glob("*/"))]
    others = [folder.relative_to(root) for folder in folders if folder.name not in params.candidates]
    _remove(root, [*others, *([METRICS] if _selected(root) not in (None, *params.candidates) else [])])


def _loaded(file: Path) -> Params | None:
    """Returns the params of a file; None if it is missing or faulty."""
    try:
        return load_params(file)
    except TransferlineError:
        return None


def _selected(root: Path) -> str | None:
    """Returns the candidate that `select` chose; None if `select` has not run."""
    file = root / METRICS
    return str(json.loads(file.read_text(encoding="utf-8"))["selected"]["candidate"]) if file.exists() else None


def _remove(root: Path, paths: list[Path]) -> None:
    there = [path for path in paths if (root / path).exists()]
    for path in there:
        shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()
    if there:
        say(
            f"removed the results of another job: {', '.join(map(str, there))}; "
            "DVC restores them from its cache when that job runs again"
        )


def _is_saved(target: Path, root: Path) -> bool:
    """Returns whether the content of the file is in Git or in a recipe, not counting defaults and explanations."""
    content = target.read_text(encoding="utf-8")
    committed = git_or_nothing(root, "show", "HEAD:./params.yaml").decode(errors="replace")
    recipes = (recipe.read_text(encoding="utf-8") for recipe in sorted((root / "recipes").glob("*.yaml")))
    return any(content in _forms(text) for text in (committed, *recipes))


def _forms(text: str) -> tuple[str, ...]:
    """Returns a params file as it is, with its missing keys, and completely rewritten; a faulty file only as it is."""
    try:
        params = parse_params(text, Path("params.yaml"))
        return text, with_missing_keys(text, params), complete_text(params)
    except TransferlineError:
        return (text,)
