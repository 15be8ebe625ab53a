"""Code uses other tools only through their public interfaces. Exceptions because of bugs are in `workarounds.py`."""

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

OWN = {"transferline"}
TREES = {
    str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8"))
    for folder in ("src", "flows", "tasks")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if "template" not in file.parts
}


def imported(tree: ast.AST) -> set[str]:
    """The names that imports of other packages bind, the standard library included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names if str(node.module).split(".")[0] not in OWN}
    return names - OWN


def root_of(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def private(name: str | None) -> bool:
    return bool(name) and name.startswith("_") and not name.endswith("__")


def replaced_attributes(tree: ast.AST) -> Iterator[str]:
    """Assignments to attributes of what was imported, and to entries of `sys.modules`."""
    names = imported(tree)
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and root_of(target) in names:
                yield ast.unparse(target)
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "sys.modules":
                yield ast.unparse(target)
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("setattr", "delattr")
            and root_of(node.args[0]) in names
        ):
            yield ast.unparse(node)


def own_names() -> set[str]:
    """What this project defines: functions, classes, variables and attributes."""
    names = set()
    for node in (node for tree in TREES.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def private_names(tree: ast.AST, own: set[str]) -> Iterator[str]:
    """Names with a leading underscore that this project does not define, but for `os._exit`, which is documented."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] not in OWN:
            yield from (alias.name for alias in node.names if private(alias.name))
        if (
            isinstance(node, ast.Attribute)
            and private(node.attr)
            and ast.unparse(node) != "os._exit"
            and node.attr not in own
        ):
            yield ast.unparse(node)
        if isinstance(node, ast.keyword) and private(node.arg):
            yield f"{node.arg}="


def forbidden_words(tree: ast.AST) -> Iterator[str]:
    """A fork, the process table, and SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.fork", "os.forkpty"):
            yield ast.unparse(node)
        if isinstance(node, ast.Import) and any(alias.name == "sqlite3" for alias in node.names):
            yield "sqlite3"
        if isinstance(node, ast.Constant) and str(node.value).startswith("/proc"):
            yield str(node.value)


def test_nothing_of_another_tool_is_replaced_or_private() -> None:
    own = own_names()
    found = {
        name: [*replaced_attributes(tree), *private_names(tree, own), *forbidden_words(tree)]
        for name, tree in TREES.items()
        if name != "src/transferline/workarounds.py"
    }
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import keras; keras.Layer.call = None",
        "from dvc.stage import run; run.cmd_run = None",
        "from dvc.stage import run; setattr(run, 'cmd_run', None)",
        "import sys; sys.modules['sklearn'] = None",
        "from dvc.stage import _run",
        "from dvc.repo import Repo; Repo('.', _wait_for_lock=True)",
        "def operation(tensor): return tensor._keras_history",
        "import os; os.fork()",
        "open('/proc/self/status')",
        "import sqlite3",
    ],
)
def test_the_check_sees(line: str) -> None:
    tree = ast.parse(line)
    assert [*replaced_attributes(tree), *private_names(tree, own_names()), *forbidden_words(tree)]
