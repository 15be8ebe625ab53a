"""TensorFlow is imported only where gradients are computed, and by the few other commands listed here."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import pytest

from transferline.cli.main import parser
from transferline.cli.pipeline import STAGES

# Why these import TensorFlow. All other commands are rows of the tests below.
EXCEPTIONS = {
    "stage train_head": "it trains",
    "stage fine_tune": "it trains",
    "stage train": "it trains",
    "stage extract": "only while it converts a frozen part, or on a GPU",
    "stage evaluate": "only with attacks, which take gradients",
    "promote": "only with a relative limit on attacks",
    "attack": "it takes gradients",
    "predict --model imagenet:…": "only at the first use of a backbone",
    "describe": "it builds the networks",
    "explain": "only for a pooled linear head, whose feature map model.keras computes",
    "doctor": "it asks TensorFlow for the GPUs",
    "reproduce": "it trains",
    "tune": "it trains",
    "init": "only while it measures a backbone, once on a machine",
}
OF_OTHER_TESTS = {"stage fetch", "serve"}
# They start Prefect or need a project of `transferline init`; a test imports their modules instead.
BY_MODULE = {"run", "schedule", "schedule-here", "reconcile", "ui", "upgrade"}
COMMANDS = """
import sys
from transferline.cli.main import main
for words in sys.argv[1:]:
    sys.argv = ["transferline", *words.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
    print("\\nimported", *({"tensorflow", "keras"} & sys.modules.keys()), "after:", words)
"""
RAW, MANIFEST, VIEWS = "--raw data/raw/colors", "--manifest data/manifest.parquet", "--views data/views.parquet"
EXTRACT = f"stage extract --candidate small {RAW} {VIEWS} --bank"
PREDICT = "predict data/raw/colors/red/0.png"
PROMOTE = "promote --force --reason test"
WITH = (f"{EXTRACT} first/small", f"{PREDICT} --model imagenet:efficientnet_lite0")
# in their order, after those with TensorFlow, which have converted what these need
WITHOUT = (
    *((f"{EXTRACT} another/small",) if find_library("cuda") is None else ()),
    "stage code",
    f"stage validate {RAW} {MANIFEST} --corrections data/corrections --report reports/validation.json "
    "--docs reports/data_docs --quarantined reports/quarantined.png",
    f"stage augment {RAW} {MANIFEST} {VIEWS} --preview reports/views.png",
    f"stage evaluate {RAW} {MANIFEST} --models models/small --evaluation evaluations/small",
    f"stage evaluate {RAW} {MANIFEST} --models models/smaller --evaluation evaluations/smaller",
    f"stage insight {RAW} {MANIFEST} --models models/small --evaluation evaluations/small --bank bank/small "
    "--insight insight/small",
    "stage select --evaluations evaluations --leaderboard reports/leaderboard.md --chart reports/leaderboard.png "
    "--plots reports/plots --metrics metrics.json",
    "stage record --models models/small --evaluation evaluations/small --recorded recorded.json",
    PROMOTE,
    "smoke sqlite:///mlruns/mlflow.db colors champion",
    "report",
    "status",
    "history",
    "params augment",
    "data show colors",
    "data diff colors HEAD",
    "data doubtful --candidate small",
    PREDICT,
    "predict data/raw/colors/red --model models/small/head --grid out.png --csv out.csv",
    f"{PREDICT} --model imagenet:efficientnet_lite0",
)
CHANGING = (  # they change the project, so they are the last
    PROMOTE,
    "rollback --reason test",
    "data relabel colors red/0.png blue --reason test",
    "data exclude colors red/1.png --reason test",
    "data remove colors red/2.png",
    "data add data/raw/colors --name other",
    "use digits --force",
)


def imported(project: Path, *commands: str) -> dict[str, set[str]]:
    """Which of TensorFlow and Keras one process has imported after each of these commands."""
    words = [sys.executable, "-c", COMMANDS, *commands]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found = parse(done.stdout)
    assert list(found) == list(commands)
    return found


def parse(output: str) -> dict[str, set[str]]:
    lines = [line.removeprefix("imported") for line in output.splitlines() if line.startswith("imported")]
    return {words: set(names.split()) for names, words in (line.split(" after: ") for line in lines)}


def imported_by_the_endpoint(project: Path) -> set[str]:
    """The same of `transferline serve`, after it is ready."""
    words = "serve --port 0"
    with subprocess.Popen(
        [sys.executable, "-c", COMMANDS, words], cwd=project, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None and "http://" in server.stdout.readline()
        server.terminate()
        return parse(server.stdout.read())[words]


def select_the_other(project: Path) -> None:
    metrics = json.loads((project / "metrics.json").read_text())
    other = {"small": "smaller", "smaller": "small"}[metrics["selected"]["candidate"]]
    selected = {"candidate": other, "phase": "head"}
    (project / "metrics.json").write_text(json.dumps(metrics | {"selected": metrics["selected"] | selected}))


@pytest.mark.slow
@pytest.mark.usefixtures("no_converted_networks")
def test_only_the_exceptions_import_tensorflow(trained_copy: Path) -> None:
    for words in WITH:
        assert imported(trained_copy, words)[words], words
    without = imported(trained_copy, *WITHOUT)
    assert not imported_by_the_endpoint(trained_copy)
    select_the_other(trained_copy)
    without |= imported(trained_copy, *CHANGING)
    assert not {words: names for words, names in without.items() if names}


@pytest.mark.slow
@pytest.mark.parametrize(
    "modules", [["prediction.predictor"], ["flows.run", "flows.schedule", "flows.reconcile", "ui", "upgrade"]]
)
def test_predictions_from_python_and_flows_import_no_tensorflow(tmp_path: Path, modules: list[str]) -> None:
    (tmp_path / "params.yaml").touch()
    named = ", ".join(f"transferline.{name}" for name in modules)
    code = f"import sys, {named}; print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True).strip() == "False"


def commands(above: argparse.ArgumentParser) -> Iterator[str]:
    for name, command in above.get_default("commands").choices.items():
        inner = [f"stage {stage}" for stage in STAGES] if name == "stage" else []
        inner += [f"{name} {one}" for one in commands(command)] if command.get_default("commands") else []
        yield from inner or [name]


def test_every_command_is_in_a_row_or_an_exception() -> None:
    rows = (*WITHOUT, *CHANGING, *EXCEPTIONS, *OF_OTHER_TESTS, *BY_MODULE)
    called = {name: [words for words in rows if f"{words} ".startswith(f"{name} ")] for name in commands(parser())}
    assert not [name for name, words in called.items() if not words]
    assert set(rows) == {words for found in called.values() for words in found}, "no row names a former command"
