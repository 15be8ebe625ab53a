import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from tests.empty_databases import give_database, give_mlflow_database
from tests.made_once import SESSION, made_once
from transferline import environment
from transferline.cli.main import parser
from transferline.models.converted import VARIABLE
from transferline.notify import VARIABLE as WEBHOOK
from transferline.params import Params
from transferline.prefect_server import embedded_server

ROOT = Path(__file__).parents[1]
COLORS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers of xdist share it
        os.environ[SESSION] = tempfile.mkdtemp(prefix="transferline-tests-")
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", WEBHOOK):  # what the developer has set has no effect
        os.environ.pop(name, None)
    os.environ["PREFECT_PROFILES_PATH"] = f"{os.environ[SESSION]}/profiles.toml"
    os.environ[VARIABLE] = f"{os.environ[SESSION]}/converted"
    environment.prepare(ROOT)
    # a shell's background jobs ignore it, and so would the processes that the tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[SESSION], ignore_errors=True)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: for a quarter of the time a test waits for servers and processes."""
    return 1 + (os.cpu_count() or 1)


def make_images(
    folder: Path, classes: dict[str, tuple[int, int, int]] = COLORS, count: int = 40, side: int = 40
) -> None:
    """Class folders of noisy PNGs, each class with a colour of its own."""
    random = np.random.default_rng(0)
    for name, color in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            noise = random.normal(0, 40, (side, side, 3))
            pixels = np.clip(noise + color, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def make_multilabel(folder: Path, layout: str, count: int = 120, side: int = 40) -> dict[str, Any]:
    """Noisy PNGs with a square of each class's colour that an image has, all 8 combinations in turn.

    Returns:
        `data.layout` for `layout`, csv or voc; the splits are ours.
    """
    random, names = np.random.default_rng(0), list(COLORS)
    rows = []
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    for number in range(count):
        present = [number >> bit & 1 for bit in range(len(names))]
        pixels = random.normal(110, 20, (side, side, 3))
        half = side // 2
        for quarter, name in zip(random.permutation(4), np.compress(present, names), strict=False):
            top, left = quarter // 2 * half, quarter % 2 * half
            pixels[top : top + half - 2, left : left + half - 2] += np.subtract(COLORS[name], 110)
        path = f"JPEGImages/{number:05}.png"
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / path)
        objects = "".join(f"<object><name>{name}</name></object>" for name in np.compress(present, names))
        if layout == "voc":
            (folder / f"Annotations/{number:05}.xml").write_text(f"<annotation>{objects}</annotation>")
        rows.append([path, *present])
    if layout == "voc":
        return {"kind": "voc", "labels": "annotations", "train": None, "validation": None, "test": None}
    (folder / "Annotations").rmdir()
    table = [["path", *names], *rows]
    (folder / "labels.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in table))
    return {"kind": "csv", "file": "labels.csv", "path_column": "path", "label_columns": names, "split_column": None}


def edit_yaml(path: Path, change: Any) -> None:
    """Loads a YAML file, lets `change` alter the tree in place, and writes it back."""
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(path)
    change(tree)
    yaml.dump(tree, path)


def make_tiny(params: Any) -> None:
    """Turns the default params into a job of seconds: one epoch or two on 32 px images."""
    params["data"]["dataset"] = "colors"
    params["promote"]["model_name"] = params["record"]["experiment"] = "colors"
    params["promote"]["min_value"] = 0.5
    params["validate"].update(near_duplicate_bits=0, min_images=2)
    params["augment"].update(views=1, horizontal_flip=True)
    params["evaluate"]["bootstrap"] = 200
    by_epochs = deepcopy(params["candidates"]["lite0_hidden"]["train_head"])
    params["candidates"]["lite0_plain"].update(layers=[{"kind": "dropout", "rate": 0.2}], train_head=by_epochs)
    for name, candidate in zip(["small", "smaller"], list(params["candidates"]), strict=True):
        tiny = params["candidates"].pop(candidate)
        tiny["image"]["size"] = 32
        tiny["backbone"]["unfreeze"] = {"from_layer": None, "last": 6}
        tiny["extract"]["head_views"] = "flipped"
        tiny["train_head"].update(epochs=3, batch_size=16)
        tiny["fine_tune"].update(epochs=2, batch_size=16)
        params["candidates"][name] = tiny
    params["candidates"]["smaller"].update(fine_tune=None)
    params["candidates"]["smaller"]["backbone"]["unfreeze"] = None


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Linear algebra uses one thread, as in the stage `insight`; on a busy machine threads wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def no_converted_networks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test converts its own networks; all others share what was converted."""
    folder = tmp_path_factory.mktemp("converted")
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a command and shows what it said if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.fail(f"{command} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def run_in_process(*words: object) -> int:
    """The exit status of `transferline WORDS` in this process. A user's mistake raises `TransferlineError`."""
    options = parser().parse_args([str(word) for word in words])
    status: int = options.action(options)
    return status


def make_project(root: Path) -> None:
    """A project in a Git repository: the real pipeline and sources, a tiny job on images of three colours."""
    folders = ("data", "recipes", "networks", "own_augmentations", "own_metrics")
    for name in folders:
        made = ("raw", "downloads", "*.parquet", "*.lock", "tested_images.txt")
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", *made)
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    for name in ("dvc.yaml", "params.yaml", ".gitignore", ".gitattributes", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    edit_yaml(root / "params.yaml", make_tiny)
    give_mlflow_database(root)
    shutil.copy(ROOT / "mlruns" / ".gitignore", root / "mlruns" / ".gitignore")
    make_images(root / "data" / "raw" / "colors")
    run("git", "init", "-q", cwd=root)
    run("dvc", "init", "-q", cwd=root)
    shutil.copytree(ROOT / ".dvc" / "plots", root / ".dvc" / "plots", dirs_exist_ok=True)
    run("dvc", "add", "-q", "data/raw/colors", cwd=root)
    run("git", "add", "-A", cwd=root)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start", cwd=root)


def copy_and_enter(original: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies a project, which becomes the current folder."""
    shutil.copytree(original, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PREFECT_HOME", str(root / ".prefect"))
    return root


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, in which nothing has run."""
    return copy_and_enter(made_once("committed", make_project), tmp_path / "project", monkeypatch)


TRAINING_LOG = "training.txt"


def train_project(root: Path) -> None:
    """The same with another seed, which is not committed, after `dvc repro`, whose output is in TRAINING_LOG."""
    shutil.copytree(made_once("committed", make_project), root)
    edit_yaml(root / "params.yaml", lambda tree: tree.update(seed=11))
    (root / ".git" / TRAINING_LOG).write_text(run("dvc", "repro", cwd=root).stdout, encoding="utf-8")


@pytest.fixture(scope="session")
def trained_project() -> Path:
    """The one trained project of a test session: all tests share it, and only read it."""
    return made_once("trained", train_project)


@pytest.fixture
def trained_copy(trained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to change, without its runs in MLflow: their artifacts lie in the original."""
    root = copy_and_enter(trained_project, tmp_path / "project", monkeypatch)
    shutil.rmtree(root / "mlruns" / "artifacts")
    give_mlflow_database(root)
    return root


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The params of a `registry_project` in the temporary folder."""
    from tests.registry_project import registry_project  # it imports this module

    return registry_project(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """The Prefect server of `transferline run`, one for each worker; waits for it and returns its address."""
    folder = tmp_path_factory.mktemp("prefect")
    give_database(folder)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_HOME", str(folder))
            server = stack.enter_context(embedded_server(folder))
        assert server is not None
        yield server


@pytest.fixture
def recorded(embedded: Callable[[], str]) -> Iterator[None]:
    """Flow runs of the test are recorded as `transferline run` records them; those of other tests are deleted."""
    from prefect import get_client

    from transferline.flows.flow_run import connected

    with connected(embedded):
        with get_client(sync_client=True) as client:
            for flow_run in client.read_flow_runs():
                client.delete_flow_run(flow_run.id)
        yield
