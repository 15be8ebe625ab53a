"""Each YAML file is read by one function, and damaged or hostile YAML is one message."""

import ast
import json
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from transferline.datasets.sources import load_sources
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.yaml_text import parse_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
BAD = {
    "a: 1\nb: 2\na: 3\n": 'found duplicate key "a", line 3, column 1; keep one of them',
    "data: {a: 1, a: 1}\n": 'found duplicate key "a", line 1',
    "a: &b [*b]\n": r"the alias \*b contains itself",
    "a: &b\n  <<: *b\n": r"the alias \*b contains itself",
    LAUGHS: "more than 1,000,000 values with its aliases",
    MERGES: "more than 1,000,000 values with its aliases",
    "a: " + "[" * 400_000: "more than 100 levels",
    "- " * 400_000: "more than 100 levels",
    "a: " + "{b: " * 400_000: "more than 100 levels",
    "a: *nothing\n": "undefined alias",
    "a: !!python/object/apply:os.system [ls]\n": "could not determine a constructor",
    "a: \0": "control characters are not allowed",
    "a: 1\n---\na: 1\n": "another document",
    "a: [1\n": "line 2",
    "a: 2026-13-01\n": "month must be in 1..12",
    "a: '\\": "line 1",
}


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=range(len(BAD)))
def test_bad_yaml_is_one_message_in_no_time(text: str, message: str, tmp_path: Path) -> None:
    file, start = tmp_path / "a.yaml", time.process_time()
    with pytest.raises(TransferlineError, match=rf"^a.yaml cannot be read as YAML: .*{message}") as refused:
        parse_yaml(text, "a.yaml")
    assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)
    file.write_text(text)
    for load in (load_params, load_sources):
        with pytest.raises(TransferlineError, match=rf"a.yaml cannot be read as YAML: .*{message}"):
            load(file)
    assert time.process_time() - start < 20


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "? [1, 2]\n: 3\n": r"top level: the key \(1, 2\) is not a text; put it in quotes",
        "a: {null: 1}\n": "a: the key None is not a text",
        "a: {1: 1, '1': 2}\n": "a: the key '1' occurs twice",
        f"x: 0x{'f' * 5000}\n": "x: the number has too many digits",
        "x: !!bool x": "cannot be read as YAML",
    }.items(),
)
def test_what_settings_cannot_hold_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    for load in (load_params, load_sources):
        with pytest.raises(TransferlineError, match=rf"(?s)a.yaml.*{message}"):
            load(tmp_path / "a.yaml")


@pytest.mark.parametrize("value", ["2026-01-01", "2026-01-01T10:00:00", "!!binary aGVsbG8=", "!!set {a, b}"])
def test_dates_bytes_and_sets_are_no_settings(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"a:\n  b:\n  - 1\n  - {value}\n")
    for load in (load_params, load_sources):
        with pytest.raises(TransferlineError, match=r"a\.b\.1: Input should be a valid string .*; put it in quotes"):
            load(tmp_path / "a.yaml")


def test_aliases_and_merges_of_a_usual_size_are_read() -> None:
    text = "a: &a {x: 1, y: [1e-4, yes]}\nb:\n  <<: *a\n  x: 2\nc: [*a, *a]\n"
    a = {"x": 1, "y": [1e-4, "yes"]}
    assert parse_yaml(text, "a") == {"a": a, "b": {**a, "x": 2}, "c": [a, a]}
    assert parse_yaml("", "a") is None
    assert json.dumps(parse_yaml((ROOT / "params.yaml").read_text(), "params.yaml"))


def test_no_other_function_loads_yaml() -> None:
    """`compose`, and loading to rewrite a file with its comments, come after `parse_yaml` has accepted the text."""
    loads = []
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "load" and "YAML(" in ast.unparse(node.value):
                loads.append(file.name)
    assert loads == ["yaml_text.py"]
