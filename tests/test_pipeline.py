"""`dvc.yaml` compared with the code: its `params` are sections that `use` writes, its paths are those that the commands
read."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from transferline import paths
from transferline.cli.pipeline import STAGES as COMMANDS
from transferline.code_versions import code_versions
from transferline.params import load_params
from transferline.params.write import complete_text

PROJECT = Path(__file__).parents[1]
PIPELINE = YAML(typ="safe", pure=True).load(PROJECT / "dvc.yaml")
STAGES = {name: stage.get("do", stage) for name, stage in PIPELINE["stages"].items()}
VARIABLES = {name: path for entry in PIPELINE["vars"] for name, path in entry.items()}


def test_the_stages_are_those_of_the_command_line() -> None:
    assert (*STAGES, "fetch") == (*(name for name in COMMANDS if name != "fetch"), "fetch")
    assert set(STAGES) == {*code_versions(PROJECT), "code"}


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "code"])
def test_a_stage_depends_on_its_own_code_and_names_no_source_file(stage: str) -> None:
    assert {"code.json": [stage]} in STAGES[stage]["params"]
    assert not [dep for dep in STAGES[stage]["deps"] if str(dep).startswith(("src", "networks"))]


def test_select_has_the_insight_of_the_page_that_it_renders() -> None:
    assert {"evaluations", "insight"} <= set(map(str, STAGES["select"]["deps"]))


@pytest.mark.parametrize("recipe", sorted((PROJECT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("stage", [name for name in STAGES if name != "code"])
def test_params_are_sections_that_use_writes_of_every_recipe(stage: str, recipe: Path) -> None:
    tree = YAML(typ="safe", pure=True).load(complete_text(load_params(recipe)))
    for key in (key for key in STAGES[stage]["params"] if isinstance(key, str)):
        for candidate in tree["candidates"]:
            section = tree
            for name in key.replace("${key}", candidate).split("."):
                assert name in section, f"{stage} names {key}, which {recipe.name} does not have"
                section = section[name]


def test_what_the_command_line_reads_is_where_the_stages_write() -> None:
    written = {"data/raw", "data/corrections", "reports", "reports/decision/decision.json"}  # the last two by promotion
    for stage in STAGES.values():
        for out in (*stage["outs"], *stage.get("metrics", [])):
            name = str(next(iter(out)) if isinstance(out, dict) else out)
            for variable, path in VARIABLES.items():
                name = name.replace(f"${{{variable}}}", path)
            written |= {name, name.removesuffix("/head").removesuffix("/${key}")}
    read = [str(value) for name, value in vars(paths).items() if name.isupper()]
    assert read and {path.removesuffix("/index.html") for path in read} <= written
