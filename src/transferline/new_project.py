"""Makes a project, a folder that `transferline run` can run in: `transferline init`."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from transferline import environment
from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc, git, git_or_nothing
from transferline.params import NAME, Params
from transferline.params.job_defaults import NAMES_IN_MLFLOW
from transferline.params.load import parse_params
from transferline.progress import say
from transferline.project_files import TEMPLATE, installed_version, keep_template, template_texts
from transferline.use_recipe import find_recipe, use, write_params
from transferline.yaml_text import parse_yaml

DVC_SETTINGS = "[core]\n    analytics = false\n    autostage = false\n"
DEFAULT_RECIPE = "digits"
LEAST_SIDE = 128  # pixels; on smaller images a backbone predicts worse, also if the photographs are smaller


def init(folder: Path, recipe: str | None, source: str | None) -> str:
    """Makes a project in a new or empty folder, with Git, DVC and a first commit.

    Args:
        folder: the project's folder. Its name becomes the name of the project, and of the dataset of `source`.
        recipe: the name or the file of a recipe; None for one that fits the data, or without data for digits.
        source: photographs to add: a folder, zip or tar. None for no data.

    Returns:
        What was done and the next command, for people.

    Raises:
        TransferlineError: the folder is not empty, its name is not allowed, it is inside another Git repository, the
            recipe or the source is faulty, or no layout fits the source. The folder is then as before.
    """
    folder = folder.resolve()
    _check(folder)
    existed = folder.exists()
    try:
        _copy_template(folder)
        environment.prepare(folder)
        done = _with_data(folder, recipe, source) if source else _without_data(folder, recipe or DEFAULT_RECIPE)
        committed = _commit(folder)
    except BaseException:
        _restore(folder, existed)
        raise
    steps = [f"cd {folder}", *([] if committed else ['git add -A && git commit -m "Start"']), "transferline run"]
    return "\n".join([f"{folder} is a new project: {done}", f"next: {' && '.join(steps)}"])


def _check(folder: Path) -> None:
    if not re.fullmatch(NAME, folder.name) or len(folder.name) > 64:
        raise TransferlineError(
            f"{folder.name!r} cannot be a project's name; use a folder name of up to 64 letters, digits, - and _"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TransferlineError(f"{folder} is not empty; choose a new folder")
    parent = next(above for above in folder.parents if above.exists())
    if not parent.is_dir():
        raise TransferlineError(f"{parent} is a file, so no folder can be in it; choose another folder")
    if repository := git_or_nothing(parent, "rev-parse", "--show-toplevel").decode(errors="replace").strip():
        raise TransferlineError(
            f"{folder} would be inside the Git repository {repository}; choose a folder outside of it"
        )


def _copy_template(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet")
    dvc(root, "init", "--quiet")
    write_text(root / ".dvc" / "config", DVC_SETTINGS)
    texts = template_texts(TEMPLATE, root.name)
    for path, text in texts.items():
        write_text(root / path, text)
    keep_template(root, texts, root.name)


def _without_data(root: Path, recipe: str) -> str:
    params = use(find_recipe(recipe), root, force=False)
    return f"recipe {recipe}, dataset {params.data.dataset}"


def _with_data(root: Path, recipe: str | None, source: str) -> str:
    """Adds the dataset, and writes params with the recipe's settings for the layout of the dataset."""
    from transferline.datasets.add import add
    from transferline.datasets.layout_proposal import describe_folder, proposed_data

    use(find_recipe(recipe or "photos"), root, force=True)  # DVC needs params.yaml before it can add the data
    found = add(source, root.name, root, None)
    say(describe_folder(root.name, found))
    if found.layout is None:
        raise TransferlineError(f"{source}: no layout fits, see above; correct the folder, or make the project without")
    data = proposed_data(root.name, found, found.layout)
    chosen = recipe or ("photos_segmentation" if "masks" in data else "photos")
    side = _fitting_side(root / "data" / "raw" / root.name) if chosen == "photos" else None
    try:
        params = write_params(_for_data(find_recipe(chosen), data, root.name, side), root, force=True)
    except TransferlineError as error:
        if recipe is None:
            raise
        raise TransferlineError(
            f"the recipe {chosen} does not fit {source}, which looks like the data of a {data['problem']} problem with "
            f"the layout {found.layout.kind}: {error}\nMake the project without --data, then add the data with "
            "`transferline data add` and correct params.yaml; or leave out --recipe"
        ) from error
    why = "named by you" if recipe else f"fits {params.data.problem} data"
    return f"recipe {chosen} ({why}), dataset {root.name}, layout {params.data.layout.kind}"


def _fitting_side(folder: Path) -> int | None:
    """Returns the median longer side of a dataset's photographs, at least `LEAST_SIDE`; None if none can be opened.

    Larger images would cost time and show nothing more.
    """
    from transferline.datasets.image_sides import median_side
    from transferline.datasets.layouts.contents import read_contents_of

    side = median_side(folder, read_contents_of(folder).images)
    return None if side is None else max(LEAST_SIDE, side)


def _for_data(recipe: Path, data: dict[str, Any], project: str, side: int | None) -> Params:
    """Returns the params of a recipe with another section `data`. The recipe's settings for splits remain.

    If there is a `side`, larger images of candidates get that size.
    """
    tree = parse_yaml(recipe.read_text(encoding="utf-8"), recipe)
    tree["data"] = {**data, "split": tree["data"].get("split", {})}
    for name, candidate in tree["candidates"].items() if side else ():
        if candidate["image"]["size"] > side:
            candidate["image"]["size"] = side
            say(f"{name}: image.size is {side}, because the photographs are not larger (median of the longer side)")
    for section, key in (name.split(".") for name in NAMES_IN_MLFLOW):
        tree.get(section, {}).pop(key, None)  # a recipe names its own dataset there
    return parse_params(json.dumps(tree), recipe, project)


def _commit(root: Path) -> bool:
    """Commits all files. Returns False if Git does not know the user's name, which a commit needs."""
    git(root, "add", "--all")
    try:
        git(root, "commit", "--quiet", "--message", f"Project made by transferline {installed_version()}")
    except TransferlineError as error:
        say(f"nothing is committed yet: {error}")
        return False
    return True


def _restore(folder: Path, existed: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if existed:
        folder.mkdir()
