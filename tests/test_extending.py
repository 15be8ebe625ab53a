"""The worked examples of docs/extending.md, applied to a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, make_images

SECTION = re.compile(r"^### (.+)$", re.MULTILINE)
# a sentence with the names of files, and the blocks of code after it
STEP = re.compile(r"^```python (at-the-end|new|before: ?|instead-of: )(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([a-z_/]+\.py)`")


def examples() -> dict[str, str]:
    """The text of each worked example, by its title."""
    _, text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8").split("## Worked examples")
    parts = SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def make_changes(text: str, package: Path) -> None:
    """Makes the changes of an example. A block belongs to the first file of the sentence above that has its place."""
    named: list[str] = []
    position = 0
    for step in STEP.finditer(text):
        named = FILE.findall(text[position : step.start()]) or named
        position = step.end()
        how, place, code = step[1].strip(), step[2], step[3]
        if how == "new":
            assert not (package / named[-1]).exists(), named[-1]
            (package / named[-1]).write_text(code, encoding="utf-8")
        elif how == "at-the-end":
            with (package / named[-1]).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{code}")
        else:
            change(package, named, how, place, code)


def change(package: Path, named: list[str], how: str, place: str, code: str) -> None:
    for name in named:
        file = package / name
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if f"\n{place}" in before and code.rstrip("\n") not in before:
            new = f"{code}{place}" if how == "before:" else code.rstrip("\n")
            file.write_text(before.replace(f"\n{place}", f"\n{new}", 1), encoding="utf-8")
            return
    pytest.fail(f"none of {named} has a line that begins with {place!r}")


CHECKS = {
    "An augmentation": """
from transferline.datasets.augmentations import COLOURS
from transferline.params import Augment
bright = COLOURS["gamma"](np.full((2, 2, 3), 64, np.float32), 0.5)
assert Augment().gamma == (1.0, 1.0) and np.allclose(bright, 127.75, atol=0.5)
""",
    "A metric": """
from transferline.metrics.classification import CLASSIFICATION
from transferline.metrics.labelled_images import LabelledImages
truth = np.eye(3, dtype=bool)
images = LabelledImages(truth, truth, np.array([[.5, .4, .1]] * 3), ("a", "b", "c"), np.arange(3))
assert CLASSIFICATION["top_2_accuracy"].figure(images)(np.ones((1, 3))) == 2 / 3
""",
    "A gate": """
from types import SimpleNamespace as Some
from transferline.params import Promote
from transferline.registry.gates import log_loss
limits = Promote(model_name="m", max_log_loss={"absolute": 0.5})
state = lambda loss: log_loss(Some(promote=limits, champion=None, challenger=Some(metrics={"log_loss": loss}))).state
assert (state(0.4), state(0.6)) == ("passed", "failed")
""",
    "A backbone": """
from transferline.models.backbones import build_backbone
from transferline.params import Backbone, Image
model = build_backbone(Backbone(name="tiny_vgg", weights="none", unfreeze=None), Image(size=64))
assert model.output_shape == (None, 8, 8, 64)
""",
    "A layout": """
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
found = inspect_folder(Path("flat"))
assert found.layout.kind == "name_prefix", found
assert set(list_dataset(Path("flat"), found.layout).files["label"]) == {"red", "green", "blue"}
""",
    "A kind of problem": """
from transferline.params.load import parse_params
from transferline.problems.insight import insight_of
from transferline.problems.metric_choice import check_metrics, metric_table
from transferline.problems.training import training_of
backbone = "backbone: {name: efficientnet_lite0, unfreeze: null}"
candidate = "{kind: pretrained, image: {size: 64}, fine_tune: null, " + backbone + "}"
recipe = "data: {dataset: d, problem: grades}\\nselect: {metric: grade_error}\\ncandidates: {lite: " + candidate + "}"
params = parse_params(recipe, Path("params.yaml"))
check_metrics(params)
assert metric_table("grades", params.evaluate)["grade_error"].is_loss and training_of("grades")
assert insight_of("grades").possible(("1", "2", "3")) == 3
""",
}


def test_every_example_is_checked() -> None:
    assert list(CHECKS) == list(examples())


@pytest.mark.slow
@pytest.mark.parametrize("title", list(CHECKS))
def test_an_example_works(title: str, tmp_path: Path) -> None:
    package = tmp_path / "transferline"
    shutil.copytree(ROOT / "src" / "transferline", package, ignore=shutil.ignore_patterns("__pycache__"))
    make_changes(examples()[title], package)
    make_images(tmp_path / "photos", count=3)
    (tmp_path / "flat").mkdir()
    for file in (tmp_path / "photos").rglob("*.png"):
        shutil.copy(file, tmp_path / "flat" / f"{file.parent.name}_{file.name}")
    head, end = "from pathlib import Path\nimport numpy as np\n", "\nimport transferline\nprint(transferline.__file__)"
    script = f"{head}{CHECKS[title]}{end}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.dumps(str(package)).strip('"') in done.stdout, "the copy was used"
