"""Each kind of problem has one place. No other module compares its name."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.conftest import ROOT
from transferline.params import Problem
from transferline.params.problem_kinds import KINDS, fitting_problem
from transferline.problems.evaluation import EVALUATIONS
from transferline.problems.metric_choice import METRICS
from transferline.problems.training import TRAININGS

NAMES = set(get_args(Problem))
PLACES = ("src/transferline/problems", "src/transferline/params/problem_kinds.py")


def asked_names(text: str) -> Iterator[tuple[int, str]]:
    """Lines in which a module compares something with the name of a kind, or looks something up by it."""
    for node in ast.walk(ast.parse(text)):
        asked: list[ast.AST | None] = []
        if isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            asked = [*node.keys]
        elif isinstance(node, ast.Subscript):
            asked = [node.slice]
        elif isinstance(node, ast.MatchValue):
            asked = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = [*node.args] if node.func.attr in ("get", "startswith", "endswith", "isin", "eq") else []
        for part in asked:
            for inner in ast.walk(part) if isinstance(part, ast.Constant | ast.Tuple | ast.List | ast.Set) else ():
                if isinstance(inner, ast.Constant) and inner.value in NAMES:
                    yield node.lineno if hasattr(node, "lineno") else 0, str(inner.value)


def modules() -> list[Path]:
    files = [file for folder in ("src", "flows", "tasks") for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file for file in files if not file.relative_to(ROOT).as_posix().startswith(PLACES)]


def test_no_other_module_asks_for_a_kind_by_name() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in modules()
        for line, name in asked_names(file.read_text(encoding="utf-8"))
        if not (file.name == "section.py" and file.parent.name == "params")
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "x = problem == 'binary'",
        "x = problem in ('multilabel', 'segmentation')",
        "x = {'multilabel': 1}[problem]",
        "x = table.get('segmentation')",
        "x = table['multiclass']",
        "match problem:\n    case 'binary':\n        pass",
    ],
)
def test_such_a_question_is_found(text: str) -> None:
    assert list(asked_names(text))


def test_every_kind_has_all_its_parts() -> None:
    for table in (KINDS, TRAININGS, EVALUATIONS, METRICS):
        assert set(table) == NAMES
    assert all(KINDS[name].main_metric in METRICS[name] for name in NAMES)


def test_the_kind_that_fits_labels() -> None:
    found = [
        fitting_problem(*case) for case in ((False, False, 2), (False, False, 3), (False, True, 2), (True, False, 2))
    ]
    assert found == ["binary", "multiclass", "multilabel", "segmentation"]
