"""The commands of README.md and docs/operations.md: they run in order, and print what the page shows.

A block ```bash runs in a shell that stops at the first failure; ```bash no-test is left out. The lines of a block
```text must appear in this order in the output of the commands above it, where … stands for any text.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, edit_yaml, make_tiny, run
from tests.empty_databases import give_database
from tests.photographs import commit

BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLORS = {"glass": (50, 180, 60), "metal": (60, 80, 200), "paper": (220, 210, 190), "plastic": (200, 50, 40)}
GIT = {f"GIT_{who}_{what}": "team" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def blocks(text: str) -> list[tuple[str, str]]:
    """The commands of each block that runs, with the lines that it must print."""
    found: list[tuple[str, str]] = []
    runs = False
    for language, mark, content in BLOCK.findall(text):
        assert mark in ("", " no-test"), f"```{language}{mark}: unknown mark"
        if language == "bash":
            runs = not mark
            found += [(content, "")] * runs
        elif language == "text":
            assert runs, f"these lines follow no commands that run:\n{content}"
            found[-1] = (found[-1][0], content)
    return found


def blocks_of(language: str, text: str) -> list[str]:
    return [content for found, flags, content in BLOCK.findall(text) if found == language and "no-test" not in flags]


def require_lines(promised: str, output: str) -> None:
    position = 0
    for line in promised.splitlines():
        pattern = ".*".join(map(re.escape, line.split("…")))
        match = re.compile(f"^{pattern}$", re.MULTILINE).search(output, position)
        assert match, f"missing, or not in this order: {line}\nin:\n{output}"
        position = match.end()


def photographs(folder: Path, count: int, name: str = "", seed: int = 0) -> None:
    """Noisy pictures in the colour of the class that the folder is called by; more of a seed begin like fewer."""
    random = np.random.default_rng([seed, *folder.name.encode()])
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.clip(random.normal(0, 40, (32, 32, 3)) + COLORS[folder.name], 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}{number}.png")


def small_recipe(params: Any) -> None:
    """One candidate, a head that is solved instead of trained."""
    solved = params["candidates"]["lite0_plain"]["train_head"].copy()
    make_tiny(params)
    params["data"]["dataset"] = params["promote"]["model_name"] = params["record"]["experiment"] = "waste"
    tiny = params["candidates"].pop("small")
    del params["candidates"]["smaller"]
    tiny.update(layers=[], train_head=solved, fine_tune=None)
    tiny["backbone"]["unfreeze"] = None
    params["candidates"]["lite0"] = tiny


@pytest.fixture
def waste(project: Path, tmp_path: Path) -> Path:
    """A project without a dataset, with a small recipe at recipes/our_waste.yaml, beside folders of photographs."""
    give_database(project / ".prefect")
    (project / "data/raw/colors.dvc").unlink()
    shutil.rmtree(project / "data/raw/colors")
    shutil.copy(ROOT / "params.yaml", project / "recipes/our_waste.yaml")
    edit_yaml(project / "recipes/our_waste.yaml", small_recipe)
    commit(project)
    for name in ("glass", "metal", "paper"):
        photographs(tmp_path / "photos" / name, 40)
    photographs(tmp_path / "more" / "metal", 12, "new", seed=1)
    photographs(tmp_path / "more" / "plastic", 40, seed=1)
    (tmp_path / "more" / "glass").mkdir()
    shutil.copy(tmp_path / "photos/glass/0.png", tmp_path / "more/glass/again.png")
    photographs(tmp_path / "ann" / "glass", 3, "ann", seed=2)
    (tmp_path / "ann" / "glass").rename(tmp_path / "from_ann")
    return project


def run_commands(commands: str, promised: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env={**os.environ, **GIT}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\nexited with {done.returncode}:\n{done.stdout}"
    assert "Traceback" not in done.stdout
    require_lines(promised, done.stdout)


@pytest.mark.thorough
def test_the_way_from_photographs_to_a_champion_in_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks are one session: it begins in the folder beside the photographs, and goes into the project."""
    for name in ("glass", "metal", "paper"):
        photographs(tmp_path / "photos" / name, 40)
        photographs(tmp_path / "new_photos" / name, 2, seed=3)
    photographs(tmp_path / "more" / "glass", 12, "new", seed=1)
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    session = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(session) == 2
    run_commands("".join(commands for commands, _ in session), "".join(lines for _, lines in session), tmp_path)
    assert (tmp_path / "predictions.png").exists()
    shutil.copy(tmp_path / "photos/glass/1.png", tmp_path / "waste/cat.jpg")  # what the file is, its content says
    (code,) = blocks_of("python", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert run(sys.executable, "-c", code, cwd=tmp_path / "waste").stdout.startswith("glass ")
    (tmp_path / "waste/cat.jpg").unlink()
    assert run("git", "status", "--porcelain", cwd=tmp_path / "waste").stdout == ""


@pytest.mark.thorough
def test_the_commands_of_the_document_do_what_it_says(waste: Path, tmp_path: Path) -> None:
    for commands, promised in blocks((ROOT / "docs" / "operations.md").read_text(encoding="utf-8")):
        run_commands(commands, promised, waste)
    assert (tmp_path / "diff.png").exists()
    assert run("git", "status", "--porcelain", cwd=waste).stdout == "", "the list of what to commit is complete"
