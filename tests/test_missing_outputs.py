"""Outputs of stages that are missing: a clone before `dvc pull`, or a training that is still running."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import run_in_process
from tests.registry_project import registry_project, select, train
from transferline.atomic_files import write_json
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.insight.doubtful_labels import COUNTS_FILE, DOUBTFUL_FILE
from transferline.insight.insight_table import IMAGES_FILE, INDEX_FILE
from transferline.params import Params
from transferline.registry import ledger
from transferline.registry.promotion import decided_before

HOW = "is missing; `dvc checkout` restores it from DVC's cache, `dvc pull` from the remote, and `transferline run`"
HEAD, EVALUATION, INSIGHT = Path("models/small/head"), Path("evaluations/small/head"), Path("insight/small")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    found = registry_project(tmp_path, monkeypatch)
    select(found, train(found, "head", "good"))
    return found


def remove(path: str) -> None:
    shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()


@pytest.mark.parametrize(
    ("removed", "named"),
    [
        ("models", HEAD / "model.keras"),
        (HEAD / "model.tflite", HEAD / "model.tflite"),
        (HEAD / "parity.npz", HEAD / "parity.npz"),
        ("evaluations", EVALUATION / "metrics.json"),
        (EVALUATION / "latency.json", EVALUATION / "latency.json"),
        ("reports", "reports/validation.json"),
    ],
)
def test_a_promotion_names_the_missing_file(params: Params, tmp_path: Path, removed: str, named: str) -> None:
    remove(removed)
    for call in (
        lambda: run_in_process("promote", "--dry-run"),
        lambda: run_in_process("promote"),
        lambda: decided_before(params, tmp_path),
    ):
        with pytest.raises(TransferlineError, match=f"^{tmp_path / named} {HOW}"):
            call()
    assert not ledger.read(tmp_path)


def test_the_page_shows_no_other_model_as_the_selected_one(params: Params, tmp_path: Path) -> None:
    select(params, train(params, "fine_tune", "fair"))
    remove("evaluations/small/fine_tune")
    with pytest.raises(TransferlineError, match=f"^{tmp_path}/evaluations/small/fine_tune/metrics.json {HOW}"):
        run_in_process("report")


def test_a_section_of_the_page_names_its_missing_file(params: Params, tmp_path: Path) -> None:
    write_insight()
    assert run_in_process("report") == 0
    assert f"insight/small/{DOUBTFUL_FILE}" in (tmp_path / "reports" / "index.html").read_text()


def write_insight() -> None:
    """An index without the tables that it belongs to, as after a `dvc pull` that was interrupted."""
    INSIGHT.mkdir(parents=True)
    write_json(INSIGHT / INDEX_FILE, {"tflite_sha256": file_sha256(HEAD / "model.tflite"), "not_applicable": {}})


def test_doubtful_labels_name_the_missing_file(params: Params, tmp_path: Path) -> None:
    for name in (INDEX_FILE, COUNTS_FILE, DOUBTFUL_FILE):
        with pytest.raises(TransferlineError, match=f"^{tmp_path / INSIGHT / name} {HOW}"):
            run_in_process("data", "doubtful")
        write_insight() if name == INDEX_FILE else (INSIGHT / name).write_text(json.dumps({"test": 1}))
    pd.DataFrame({"path": [], "confident": []}).to_parquet(INSIGHT / DOUBTFUL_FILE)
    with pytest.raises(TransferlineError, match=f"^{tmp_path / INSIGHT / IMAGES_FILE} {HOW}"):
        run_in_process("data", "doubtful", "--out", "doubtful.png")


def test_an_explanation_names_the_missing_table(params: Params, tmp_path: Path) -> None:
    write_insight()
    with pytest.raises(TransferlineError, match=f"^{tmp_path / INSIGHT / IMAGES_FILE} {HOW}"):
        run_in_process("explain", "data/raw/colors/red/1.png", "--model", str(HEAD))


@pytest.mark.parametrize("command", [["predict"], ["explain"], ["attack", "--out", "attack.png"]])
def test_a_missing_model_folder_is_no_version_of_the_registry(params: Params, command: list[str]) -> None:
    remove("models")
    with pytest.raises(TransferlineError, match=r"models/small/head does not exist; `dvc checkout` restores"):
        run_in_process(command[0], "data/raw/colors/red/1.png", *command[1:], "--model", str(HEAD))
