"""The order of the packages: each imports only packages above it in the table. No module of `src` imports Prefect."""

import ast

from tests.conftest import ROOT
from transferline.code_versions import imported_names

PACKAGE = ROOT / "src" / "transferline"
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if "template" not in file.parts]
ORDER = (
    "params",
    "datasets",
    "models",
    "metrics",
    "problems",
    "training",
    "evaluation",
    "registry",
    "tuning",
    "prediction",
    "serving",
    "stages",
    "cli",
)
# what stands there are names, of which nothing is imported
NAMES_ONLY = ("backbone_names.py", "code_versions.py")


def package_of(name: str) -> str:
    return name.split(".")[1] if name.startswith("transferline.") else ""


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without the docstring."""
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_imports_flow_one_way() -> None:
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()} == set(ORDER)
    for number, package in enumerate(ORDER):
        for file in sorted((PACKAGE / package).rglob("*.py")):
            later = {name for name in imported_names(file) if package_of(name) in ORDER[number + 1 :]}
            assert not later or file.name in NAMES_ONLY, file.relative_to(PACKAGE)


def test_what_all_packages_use_imports_none_of_them_but_params_and_datasets() -> None:
    for file in sorted(PACKAGE.glob("[!_]*.py")):
        used = {package_of(name) for name in imported_names(file)} & set(ORDER)
        assert used <= {"params", "datasets"} or file.name in NAMES_ONLY, file.name


def test_only_flows_and_tasks_import_prefect() -> None:
    for file in FILES:
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
        assert "prefect" not in {name.split(".")[0] for name in names}, file.relative_to(ROOT)
        assert not [name for name in names if name.startswith(("transferline.flows", "transferline.tasks"))], file.name


def test_no_two_modules_have_the_same_name() -> None:
    named_after_others = {"stages", "params", "cli"}
    files = [file for file in FILES if file.relative_to(PACKAGE).parts[0] not in named_after_others]
    kinds = [file.parent for file in PACKAGE.glob("problems/*/__init__.py")]
    of_kinds = [kind / f"{part}.py" for kind in kinds for part in ("training", "evaluation", "prediction")]
    names = [file.stem for file in files if file.stem != "__init__" and file not in of_kinds]
    assert not {name for name in names if names.count(name) > 1}


def test_modules_and_functions_are_short() -> None:
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert text.count("\n") <= 250, file.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert lines_of(node) <= 40, f"{file.relative_to(PACKAGE)}: {node.name}"
