"""The pages docs/params.md and docs/cli.md are those that the code gives."""

import runpy

import pytest

from tests.conftest import ROOT
from transferline.cli.main import parser

PAGES = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))


@pytest.mark.parametrize("name", ["params", "cli"])
def test_a_page_is_what_make_docs_writes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == PAGES[f"{name}_page"](), "run `make docs`"


def test_the_help_of_every_command_has_an_example() -> None:
    commands = list(PAGES["_commands"](parser()))
    assert len(commands) > 15
    for command in commands:
        assert f"example: {command.prog}" in command.format_help()
