"""The pages docs/params.md and docs/cli.md are those that the code gives."""

import json
import re
import runpy

import pytest

from tests.conftest import ROOT
from transferline.cli.main import parser
from transferline.params import Params
from transferline.params.load import parse_params
from transferline.yaml_text import parse_yaml

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


def settings_in_pages() -> list[tuple[str, str]]:
    """The blocks of the pages that are parts of `params.yaml`."""
    sections = "|".join(Params.model_fields)
    block = re.compile(rf"^```\n((?:{sections}):.*?)^```$", re.MULTILINE | re.DOTALL)
    pages = sorted((ROOT / "docs").glob("*.md"))
    return [(page.name, text) for page in pages for text in block.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "text"), settings_in_pages())
def test_settings_in_the_pages_are_allowed(page: str, text: str) -> None:
    """Each block alone, added to the digits; a line of its own for each way where a block shows several."""
    for part in [text] if text.count("compute:") < 2 else text.splitlines():
        tree = parse_yaml((ROOT / "recipes/digits.yaml").read_text(encoding="utf-8"), page)
        for section, given in parse_yaml(part, page).items():
            tree[section] = {**tree.get(section, {}), **given}
        if tree["data"]["problem"] != "multiclass":
            tree["select"], tree["data"]["split"] = {}, {"test": 0}
        if tree["data"]["problem"] == "segmentation":
            tree["candidates"] = {
                "a": {"kind": "deeplab_v3_plus", "image": {"size": 64}, "backbone": {"name": "mobilenet"}}
            }
        parse_params(json.dumps(tree), ROOT / page)


def test_the_pages_have_such_settings() -> None:
    assert {page for page, _ in settings_in_pages()} >= {"datasets.md", "models.md", "promotion.md"}
