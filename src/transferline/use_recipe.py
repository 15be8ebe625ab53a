"""Writes the complete `params.yaml` from a recipe, a short file with the values that differ from the defaults."""

import shutil
from importlib.resources import files
from pathlib import Path

from transferline.atomic_files import write_text
from transferline.datasets.dvc_lock_file import LOCK, locked_stages
from transferline.datasets.public_datasets import list_source
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git_or_nothing
from transferline.params import Params, load_params
from transferline.params.load import parse_params
from transferline.params.missing import listed, missing_keys, with_missing_keys
from transferline.params.write import complete_text
from transferline.paths import BANK, EVALUATIONS, INSIGHT, MANIFEST, METRICS, MODELS, VALIDATION_REPORT, VIEWS
from transferline.progress import say
from transferline.project_files import made_by
from transferline.selection import selected_candidate

OF_CANDIDATES = (BANK, MODELS, EVALUATIONS, INSIGHT)  # each has one folder for each candidate


def packaged_recipes() -> dict[str, Path]:
    """Returns the recipes that come with transferline, by name."""
    found = sorted(Path(str(files("transferline.recipes"))).glob("*.yaml"))
    return {file.stem: file for file in found}


def find_recipe(recipe: str) -> Path:
    """Returns the file of a recipe: the file with this path, or the recipe of this name that comes with transferline.

    Raises:
        TransferlineError: there is no such file and no such recipe.
    """
    known = packaged_recipes()
    if Path(recipe).is_file():
        return Path(recipe).resolve()
    if recipe not in known:
        raise TransferlineError(f"{recipe}: no such file; give a file, or a recipe of transferline: {', '.join(known)}")
    return known[recipe]


def use(recipe: Path, root: Path, force: bool) -> Params:
    """Writes the complete `params.yaml` from a recipe, see `write_params`.

    Args:
        recipe: a params file. It may leave out every key that has a default.
        root: the project's folder.
        force: see `write_params`.

    Raises:
        TransferlineError: the recipe is faulty; see also `write_params`.
    """
    return write_params(load_params(recipe, name_in_mlflow(root)), root, force)


def name_in_mlflow(root: Path) -> str | None:
    """Returns the project's name, the default of the names in MLflow; None if `transferline init` did not make it."""
    project = made_by(root)
    return project.project if project else None


def write_params(params: Params, root: Path, force: bool) -> Params:
    """Writes the complete `params.yaml`, and removes results that do not belong to the params.

    It removes all results if the section `data` differs from that of the old `params.yaml`, or if that file is missing
    or faulty. Else it removes only the results of candidates that the params do not name.

    Args:
        params: the new params.
        root: the project's folder.
        force: whether to overwrite a `params.yaml` whose changes are neither in Git nor in a recipe.

    Returns:
        The params.

    Raises:
        TransferlineError: `params.yaml` has such changes and `force` is False.
    """
    target = root / "params.yaml"
    if not force and target.exists() and not _is_saved(target, root):
        raise TransferlineError(
            f"{target} has changes that are saved neither in Git nor in a recipe; commit it, copy it to recipes/, "
            "or use --force to overwrite it"
        )
    before = _loaded(target)
    if not before or before.data != params.data:
        _remove(root, [*_of_candidates(root), VALIDATION_REPORT.parent, MANIFEST, VIEWS, METRICS])
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
    params, text = load_params(file, name_in_mlflow(root)), file.read_text(encoding="utf-8")
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
    others = [folder for folder in _of_candidates(root) if folder.name not in params.candidates]
    _remove(root, [*others, *([METRICS] if selected_candidate(root) not in (None, *params.candidates) else [])])


def _of_candidates(root: Path) -> list[Path]:
    """Returns the folders of candidates that `dvc.lock` names, also of earlier ones. A copy that a user made stays."""
    outs = [Path(out["path"]) for stage in locked_stages(root / LOCK).values() for out in stage.get("outs", [])]
    return sorted({Path(*out.parts[:2]) for out in outs if Path(out.parts[0]) in OF_CANDIDATES})


def _loaded(file: Path) -> Params | None:
    """Returns the params of a file; None if it is missing or faulty."""
    try:
        return load_params(file)
    except TransferlineError:
        return None


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
    content = target.read_text(encoding="utf-8", errors="replace")
    committed = git_or_nothing(root, "show", "HEAD:./params.yaml").decode(errors="replace")
    recipes = [*sorted((root / "recipes").glob("*.yaml")), *packaged_recipes().values()]
    texts = (committed, *(recipe.read_text(encoding="utf-8", errors="replace") for recipe in recipes))
    return any(content in _forms(text, name_in_mlflow(root)) for text in texts)


def _forms(text: str, project: str | None) -> tuple[str, ...]:
    """Returns a params file as it is, with its missing keys, and completely rewritten; a faulty file only as it is."""
    try:
        params = parse_params(text, Path("params.yaml"), project)
        return text, with_missing_keys(text, params), complete_text(params)
    except TransferlineError:
        return (text,)
