"""The version of the code behind each stage: a hash of our modules, and the versions of libraries.

The stage `code` writes `code.json`, and each other stage of `dvc.yaml` depends on its own entry there. So an edit
reruns the stages whose code it changes, and an upgrade of a library reruns the stages that use it. A change of a
docstring or a comment reruns no stage. The modules are parsed as text and not imported.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.paths import CODE
from transferline.text import reason_of

PACKAGE = Path(__file__).parent
# Folders of the user's own code. The key is the module that runs the code.
OWN_CODE = {
    "transferline.models.networks": "networks",
    "transferline.datasets.own_augmentations": "own_augmentations",
    "transferline.metrics.own_metrics": "own_metrics",
}

# Modules that do not change the results of a stage that imports them. The value is the reason.
NOT_FOLLOWED = {
    "transferline.atomic_files": "how a file is written, not what is in it",
    "transferline.cli": "arguments",
    "transferline.code_versions": "describes the code, computes no result",
    "transferline.compute": "where shards are computed; the result is the same",
    "transferline.environment": "settings of other tools",
    "transferline.errors": "messages",
    "transferline.git_and_dvc": "how Git and DVC are called",
    "transferline.params": "the values are tracked as params",
    "transferline.paths": "the paths are tracked in dvc.yaml",
    "transferline.processes": "which process did something",
    "transferline.progress": "messages",
    "transferline.quiet": "messages",
    "transferline.report": "a page for people, which `transferline report` renders again",
    "transferline.text": "messages",
}
# Exceptions: modules inside those packages that are followed.
FOLLOWED = {
    "transferline.params.backbone_names": "it names the modules that build the backbones",
    "transferline.params.problem_kinds": "it defines the kinds of problem, which no value of the params does",
}

# Modules that also do not change the results of the training stages.
TRAININGS = ("train_head", "fine_tune", "train")
NOT_FOLLOWED_BY_TRAININGS = {
    "transferline.plots": "a new picture retrains nothing",
    "transferline.registry": "epochs are reported to MLflow, which does not change what is computed",
    "transferline.training.curves_picture": "a new picture retrains nothing",
}

# Libraries that affect the values that a stage writes: name of the import, name of the package. Libraries that only
# draw, store or report values (matplotlib, pyarrow, mlflow and others) are left out.
LIBRARIES = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python-headless",
    "great_expectations": "great-expectations",
    "keras": "keras",
    "numpy": "numpy",
    "pandas": "pandas",
    "pi_heif": "pi-heif",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow",
}


def write_code_versions(project: Path) -> None:
    """Updates `code.json`: for each stage `source` (a sha256) and the version of each library.

    A file that is up to date is not written.
    """
    file, text = project / CODE, json.dumps(code_versions(project), indent=1) + "\n"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)


def code_versions(project: Path) -> dict[str, dict[str, str]]:
    """Returns the content of `code.json`: one entry for every module of `stages/` except `code` and `fetch`.

    `fetch` needs none: its entry in `data/sources.yaml` determines what it downloads.
    """
    names = sorted(file.stem for file in (PACKAGE / "stages").glob("[!_]*.py"))
    return {name: stage_code(name, project) for name in names if name not in ("code", "fetch")}


def stage_code(stage: str, project: Path) -> dict[str, str]:
    """Returns the entry of one stage."""
    left_out = (*NOT_FOLLOWED, *(NOT_FOLLOWED_BY_TRAININGS if stage in TRAININGS else ()))
    return code_of(f"transferline.stages.{stage}", left_out, project)


def code_of(module: str, left_out: Iterable[str] = NOT_FOLLOWED, project: Path | None = None) -> dict[str, str]:
    """Returns the entry of a module and the modules that it imports: `source` (a sha256) and library versions.

    Args:
        module: the module's name.
        left_out: see `followed`.
        project: the folder that contains the folders of `OWN_CODE`. A folder is hashed if the module that runs its
            code is followed. None leaves these folders out.
    """
    modules = followed(module, left_out)
    folders = [folder for runner, folder in OWN_CODE.items() if runner in modules]
    own = [file for folder in folders for file in sorted((project / folder).rglob("*.py"))] if project else []
    imported = {name.partition(".")[0] for file in modules.values() for name in imported_names(file)}
    versions = {name: version(LIBRARIES[name]) for name in sorted(imported & LIBRARIES.keys())}
    return {"source": source_sha256([*modules.values(), *own]), **versions}


def followed(start: str, left_out: Iterable[str] = NOT_FOLLOWED) -> dict[str, Path]:
    """Returns a module and all modules of this package that it imports, directly or indirectly, with their files.

    Imports inside functions count too.

    Args:
        start: the module's name.
        left_out: modules and packages that are not followed. The package's own `__init__.py` is never followed: it only
            defines `load`.
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
    """Returns one sha256 over the code of several files, without comments, docstrings and whitespace."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {_parsed_file(file)[0]}\n".encode())
    return digest.hexdigest()


def _file_of(module: str) -> Path | None:
    """Returns the file of a module of this package; None for any other name."""
    top, _, rest = module.partition(".")
    if top != PACKAGE.name:
        return None
    path = PACKAGE / rest.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py") if rest else (PACKAGE / "__init__.py",)
    return next((file for file in candidates if file.is_file()), None)


def imported_names(file: Path) -> tuple[str, ...]:
    """Returns the names that a module imports anywhere, and those of this package in its string constants."""
    return _parsed_file(file)[1]


def _parsed_file(file: Path) -> tuple[str, tuple[str, ...]]:
    try:
        return _parsed(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise TransferlineError(f"{file}, line {error.lineno}: {error.msg}") from error
    except ValueError as error:
        raise TransferlineError(f"{file} is not Python in UTF-8: {reason_of(error)}") from error


@cache
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """Returns a sha256 of a module's code, and the names that it imports."""
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
    """Returns a syntax tree as nested tuples, equal on Python 3.11 and 3.12, without docstrings and empty fields."""
    if isinstance(node, list):
        return [_structure(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = fields["body"][1:]
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds an empty string at the end of some f-strings
        fields["values"] = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    filled = {name: value for name, value in fields.items() if value not in (None, [])}
    return type(node).__name__, *((name, _structure(value)) for name, value in filled.items())
