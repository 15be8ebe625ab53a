"""Shards on Dask's workers, in a real cluster of processes. They give the same bytes as in this process, also when a
worker is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from distributed import LocalCluster

from tests.conftest import make_images
from tests.take_long import ITEMS
from tests.tiny_training import DIGITS, candidate, make_data
from transferline.compute import run_shards
from transferline.datasets.checks.validation import validate_dataset
from transferline.errors import TransferlineError
from transferline.params import Compute
from transferline.processes import is_alive
from transferline.training import fill_bank as extract_module
from transferline.training.fill_bank import extract

SHARDS = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    options = {"threads_per_worker": 1, "processes": True, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # Dask sets it, and more, in this process for good
        patch.setenv("MKL_NUM_THREADS", "1")
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        with LocalCluster(n_workers=2, **options) as started:
            yield started


@pytest.fixture
def compute(cluster: LocalCluster) -> Compute:
    return Compute(engine="dask", address=cluster.scheduler_address)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def note(folder: Path, item: int) -> int:
    """Leaves a file for each time that an item is done; item 3 kills its worker the first time."""
    (folder / f"{item}-{len(list(folder.glob(f'{item}-*')))}").touch()
    if item == 3 and not (folder / "3-1").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def fail(item: int) -> int:
    raise TransferlineError(f"item {item} is bad")


@pytest.mark.slow
def test_results_come_in_order_and_errors_as_they_are(compute: Compute, tmp_path: Path) -> None:
    assert run_shards(partial(note, tmp_path), [9, 1, 7], compute, "x") == [81, 1, 49]
    with pytest.raises(TransferlineError, match="item 1 is bad"):
        run_shards(fail, [1], compute, "x")


@pytest.mark.slow
def test_a_killed_worker_costs_its_shard_only(compute: Compute, tmp_path: Path) -> None:
    assert run_shards(partial(note, tmp_path), list(range(SHARDS)), compute, "x") == [n * n for n in range(SHARDS)]
    times = pd.Series([path.name[0] for path in tmp_path.iterdir()]).value_counts()
    assert times["3"] == 2
    # the other worker's shards were done once; the killed one may have had a second one in hand
    assert times.sum() <= SHARDS + 2


@pytest.mark.slow
def test_the_bank_is_the_same_byte_for_byte(compute: Compute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, views = make_data(tmp_path / "raw")
    monkeypatch.setattr(extract_module, "VIEWS_PER_SHARD", 64)
    for name, where in (("here", None), ("there", compute)):
        extract(raw, views, candidate(), "multiclass", tmp_path / name, where)
    assert files(tmp_path / "there") == files(tmp_path / "here")


@pytest.mark.thorough
def test_validation_finds_the_same(compute: Compute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images(tmp_path, count=10)
    (tmp_path / "red" / "broken.png").write_bytes(b"no image")
    monkeypatch.setattr("transferline.datasets.checks.scan.FILES_PER_SHARD", 8)
    here, there = (
        validate_dataset(tmp_path, DIGITS.data, DIGITS.validate_, compute=where) for where in (None, compute)
    )
    pd.testing.assert_frame_equal(here.table.rows, there.table.rows)
    assert here.findings == there.findings and here.findings


def test_processes_of_this_machine_give_the_same_in_order_and_errors_as_they_are(tmp_path: Path) -> None:
    items = [1, 9, 7, 2, 5]
    assert run_shards(partial(note, tmp_path), items, None, "x", in_processes=True) == [n * n for n in items]
    with pytest.raises(TransferlineError, match="item 1 is bad"):
        run_shards(fail, items, None, "x", in_processes=True)


def test_a_process_that_is_killed_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match="x: a process was killed, perhaps because memory ran out"):
        run_shards(partial(note, tmp_path), [1, 2, 3, 4], None, "x", in_processes=True)


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], set[int]]]:
    """A process that does what takes long, and those that do it for it."""
    command = [sys.executable, "-m", "tests.take_long", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(found := {path.read_text() for path in tmp_path.iterdir()} - {""}) < min(ITEMS, os.cpu_count() or 1):
            assert process.poll() is None
            time.sleep(0.05)
        yield process, set(map(int, found))


def test_processes_end_with_the_one_that_started_them(at_work: tuple[subprocess.Popen[str], set[int]]) -> None:
    process, others = at_work
    process.kill()
    deadline = time.monotonic() + 30
    while any(is_alive(pid, time.time()) for pid in others):
        assert time.monotonic() < deadline, "they work on"
        time.sleep(0.05)


def test_ctrl_c_is_for_the_first_process(at_work: tuple[subprocess.Popen[str], set[int]], tmp_path: Path) -> None:
    process, _ = at_work
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")
    assert len(list(tmp_path.iterdir())) < ITEMS, "what had not begun is left out"


def test_no_scheduler_at_the_address() -> None:
    with pytest.raises(
        TransferlineError, match=r"compute\.address: no Dask scheduler answers at tcp://127\.0\.0\.1:1 "
    ):
        run_shards(fail, [1], Compute(engine="dask", address="tcp://127.0.0.1:1"), "x")


@pytest.mark.parametrize(
    "settings", [{"engine": "local", "workers": 2}, {"engine": "dask", "address": "tcp://a", "workers": 2}]
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="workers"):
        Compute.model_validate(settings)
