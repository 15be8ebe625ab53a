"""Requests per second and latency of `transferline serve`, with clients that keep their connections open.

    python benchmarks/serving.py [--backbone NAME] [--alpha A] [--size PX] [--requests N] [--clients N] [--images N]

A model with random weights is registered in a project in a temporary folder and served by a process of its own. Each
request holds its images as JPEGs in base64. Without --backbone the model is one layer on the mean colour, which leaves
the cost of HTTP, JSON and decoding. A lost request, or an answer that is not 200, ends the run with an error.
"""

import argparse
import base64
import contextlib
import http.client
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from transferline import environment

environment.prepare(Path.cwd())

import keras  # noqa: E402
import mlflow  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image as Picture  # noqa: E402

from transferline.hashes import file_sha256  # noqa: E402
from transferline.models.backbones import construct, preprocessing  # noqa: E402
from transferline.models.convert import convert  # noqa: E402
from transferline.models.exported import LITE_FILE, MODEL_FILE, ModelCard  # noqa: E402
from transferline.params import Image, load_params  # noqa: E402
from transferline.registry import mlflow_model  # noqa: E402
from transferline.registry.aliases import CHAMPION  # noqa: E402
from transferline.registry.mlflow_model import HASHED  # noqa: E402
from transferline.registry.tracking import connect  # noqa: E402

PROJECT = Path(__file__).parents[1]
BODIES = 16  # that clients send in turn


@dataclass(frozen=True)
class Answer:
    """What came back for a request, and after how many seconds."""

    seconds: float
    status: int
    predictions: list[dict[str, Any]]


def make_project(root: Path) -> None:
    """A project without data or models: its registry is all that serving needs."""
    shutil.copy(PROJECT / "dvc.yaml", root / "dvc.yaml")
    shutil.copy(PROJECT / "params.yaml", root)


def register(root: Path, model: keras.Model, card: ModelCard, alias: str = CHAMPION) -> str:
    """Puts a model into a project's registry, as promotion does, and moves an alias to it.

    Returns:
        The version's number.
    """
    params = load_params(root / "params.yaml")
    client, name = connect(params.record, root), params.promote.model_name
    trained, folder = Path(tempfile.mkdtemp(dir=root)), Path(tempfile.mkdtemp(dir=root)) / "version"
    model.save(trained / MODEL_FILE)
    (trained / LITE_FILE).write_bytes(convert(model, card.candidate))
    mlflow_model.save_model(str(folder), mlflow.models.Model(metadata=card.model_dump(mode="json")), trained, None)
    with contextlib.suppress(mlflow.exceptions.MlflowException):
        client.create_registered_model(name)
    tags = {tag: file_sha256(folder / file) for file, tag in HASHED.items()}
    version = client.create_model_version(name, folder.as_uri(), tags=tags)
    client.set_registered_model_alias(name, alias, version.version)
    return str(version.version)


@contextlib.contextmanager
def served(root: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Starts `transferline serve` on a free port; yields its address and process, and stops it."""
    command = [sys.executable, "-c", "from transferline.cli.main import main; main()", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            yield re.findall(r"http://\S+", first)[0], process
        finally:
            process.send_signal(signal.SIGTERM)


def ask(address: str, bodies: Sequence[bytes], requests: int, clients: int) -> list[Answer]:
    """Sends `bodies` in turn until there were `requests`, from clients that work at the same time."""
    with ThreadPoolExecutor(clients) as pool:
        shares = [range(client, requests, clients) for client in range(clients)]
        return [answer for share in pool.map(lambda share: _client(address, bodies, share), shares) for answer in share]


def _client(address: str, bodies: Sequence[bytes], share: range) -> list[Answer]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    answers = []
    for number in share:
        begin = time.perf_counter()
        connection.request("POST", "/invocations", bodies[number % len(bodies)], {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        found = json.loads(content).get("predictions", [])
        answers.append(Answer(time.perf_counter() - begin, response.status, found))
    connection.close()
    return answers


def request_of(pictures: Sequence[bytes]) -> bytes:
    """The body of a request with image files."""
    return json.dumps({"dataframe_records": [{"image": base64.b64encode(one).decode()} for one in pictures]}).encode()


def photographs(count: int, width: int = 640, height: int = 480) -> list[bytes]:
    """JPEGs of smooth noise."""
    random, files = np.random.default_rng(7), []
    for _ in range(count):
        file = io.BytesIO()
        small = Picture.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
        small.resize((width, height), Picture.Resampling.BICUBIC).save(file, "JPEG")
        files.append(file.getvalue())
    return files


def build(backbone: str | None, alpha: float | None, size: int) -> tuple[keras.Model, ModelCard]:
    """A classifier of five classes with random weights."""
    image = keras.Input((size, size, 3), dtype="uint8")
    if backbone:
        width = {} if alpha is None else {"alpha": alpha}
        network = construct(backbone, include_top=False, weights=None, input_shape=(size, size, 3), **width)
        features = network(preprocessing(backbone)(image))
    else:
        features = keras.layers.Rescaling(1 / 255)(image)
    outputs = keras.layers.Dense(5, "softmax")(keras.layers.GlobalAveragePooling2D()(features))
    card = ModelCard(
        candidate=backbone or "mean_colour", phase="train", problem="multiclass", classes=tuple("abcde"),
        image=Image(size=size, color="rgb", resize="stretch"),
    )  # fmt: skip
    return keras.Model(image, outputs), card


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone")
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--images", type=int, default=1, help="in each request")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_project(Path(folder))
        register(Path(folder), *build(options.backbone, options.alpha, options.size))
        pictures = photographs(BODIES * options.images)
        bodies = [request_of(pictures[start::BODIES]) for start in range(BODIES)]
        with served(Path(folder)) as (address, _):
            ask(address, bodies, options.clients * 4, options.clients)
            begin = time.perf_counter()
            answers = ask(address, bodies, options.requests, options.clients)
            seconds = time.perf_counter() - begin
    lost = [answer for answer in answers if answer.status != 200 or len(answer.predictions) != options.images]
    if lost:
        sys.exit(f"{len(lost)} of {options.requests} requests were not answered; the first got {lost[0]}")
    half, most = (1000 * float(np.percentile([answer.seconds for answer in answers], q)) for q in (50, 99))
    print(f"{options.requests} requests, {options.clients} clients, none lost, {os.cpu_count()} cores")
    print(f"{options.requests / seconds:.0f} requests/s  p50 {half:.1f} ms  p99 {most:.1f} ms")


if __name__ == "__main__":
    main()
