"""`dvc.yaml` against the code: `deps` are the modules that a stage imports, `params` are sections of every recipe."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from transferline import paths

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src"
PIPELINE = YAML(typ="safe", pure=True).load(PROJECT / "dvc.yaml")
STAGES = PIPELINE["stages"]
VARIABLES = {name: path for entry in PIPELINE["vars"] for name, path in entry.items()}

# Their values are tracked as params, or they do not touch what a stage writes.
EXEMPT = ("params", "compute", "errors", "processes", "progress", "environment", "cli", "quiet", "paths")


def file_of(module: str) -> Path | None:
    """The file of a module of ours; None for a module of others and for a name that is no module."""
    path = SOURCE / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imports_of(file: Path) -> set[Path]:
    """The files of ours that a file imports, anywhere in it, with the packages they are in."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)  # the catalog names the module that builds a backbone
    ours = {name for name in names if name.startswith("transferline.") and name.split(".")[1] not in EXEMPT}
    packages = {name.rpartition(".")[0] for name in ours} - {"transferline"}
    return {found for name in ours | packages if (found := file_of(name))}


def is_empty(file: Path) -> bool:
    """Whether a file holds nothing but its docstring."""
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body)


def modules_of(stage: str) -> set[str]:
    """The files of ours that decide what a stage writes, relative to the project."""
    seen: set[Path] = set()
    queue = [SOURCE / "transferline" / "stages" / f"{stage}.py"]
    while queue:
        file = queue.pop()
        # the trainings report their epochs to MLflow, which does not touch what they write
        is_report = file.parent.name == "registry" and stage != "record"
        if file not in seen and not is_report:
            seen.add(file)
            queue += imports_of(file)
    return {file.relative_to(PROJECT).as_posix() for file in seen if not is_empty(file)}


def body(stage: str) -> dict[str, list[object]]:
    found: dict[str, list[object]] = STAGES[stage].get("do", STAGES[stage])
    return found


def files_below(folder: str) -> set[str]:
    assert (PROJECT / folder).is_dir(), f"{folder} is neither a module nor a folder"
    return {file.relative_to(PROJECT).as_posix() for file in (PROJECT / folder).rglob("*.py") if not is_empty(file)}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_modules_that_a_stage_imports(stage: str) -> None:
    deps = [str(dep) for dep in body(stage)["deps"] if str(dep).startswith("src/")]
    files = {file for dep in deps for file in ({dep} if dep.endswith(".py") else files_below(dep))}
    wanted = modules_of(stage)
    lines = "\n".join(f"        - {file}" for file in sorted(wanted))
    assert files == wanted, f"the deps of {stage} in dvc.yaml have to be\n{lines}"
    builds_models = "src/transferline/models/base/networks.py" in wanted
    assert ("networks" in body(stage)["deps"]) == builds_models, "a stage that builds models depends on the user's own"


@pytest.mark.parametrize("recipe", sorted((PROJECT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("stage", STAGES)
def test_params_are_sections_of_every_recipe(stage: str, recipe: Path) -> None:
    tree = YAML(typ="safe", pure=True).load(recipe)
    for key in body(stage)["params"]:
        for candidate in tree["candidates"]:
            section = tree
            for name in str(key).replace("${key}", candidate).split("."):
                assert name in section, f"{stage} names {key}, which {recipe.name} does not have"
                section = section[name]


def test_what_the_command_line_reads_is_where_the_stages_write() -> None:
    written = {"data/raw", "data/corrections"}
    for stage in STAGES:
        for out in (*body(stage)["outs"], *body(stage).get("metrics", [])):
            name = str(next(iter(out)) if isinstance(out, dict) else out)
            for variable, path in VARIABLES.items():
                name = name.replace(f"${{{variable}}}", path)
            written |= {name, name.removesuffix("/head").removesuffix("/${key}")}
    read = [str(value) for name, value in vars(paths).items() if name.isupper()]
    assert read and {path.removesuffix("/index.html") for path in read} <= written
