"""`transferline serve`: a real process that gets HTTP requests, with models of one layer in a real registry."""

import base64
import io
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import requests
from PIL import Image as Picture
from PIL.ExifTags import Base

from benchmarks.serving import make_project, register, served
from tests.conftest import COLORS
from tests.empty_databases import give_mlflow_database
from transferline.errors import TransferlineError
from transferline.models.convert import convert
from transferline.models.exported import ModelCard, Rejection
from transferline.models.lite import LiteModel
from transferline.params import Image, load_params
from transferline.prediction.named_model import open_model
from transferline.problems.label_predictions import predict_images
from transferline.serving.batcher import Batcher
from transferline.serving.served_model import LoadedVersion
from transferline.serving.server import serve_model

CLASSES = tuple(COLORS)  # blue, green, red
RIGHT, WRONG = np.eye(3)[:, ::-1] * 20, np.eye(3) * 20
CARD = ModelCard(
    candidate="small", phase="head", problem="multiclass", classes=CLASSES,
    image=Image(size=32, color="rgb", resize="pad"),
)  # fmt: skip


def mean_colour(kernel: np.ndarray, activation: str = "softmax") -> keras.Model:
    """Right takes the class of the colour; wrong takes red for blue."""
    image = keras.Input((32, 32, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, keras.layers.Dense(3, activation)(mean))
    model.layers[-1].set_weights([kernel, np.full(3, -8.0)])
    return model


def picture(name: str, format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (50, 40), COLORS[name]).save(file, format, **options)
    return file.getvalue()


def records(texts: list[str | None]) -> dict[str, Any]:
    return {"dataframe_records": [{"image": text} for text in texts]}


def post(address: str, body: Any, mime: str = "application/json") -> requests.Response:
    data = body if isinstance(body, str) else json.dumps(body)
    return requests.post(f"{address}/invocations", data, headers={"Content-Type": mime}, timeout=60)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    """A server of version 1 in a project in `root`."""
    make_project(root)
    give_mlflow_database(root)
    register(root, mean_colour(RIGHT), CARD)
    with served(root, "--alias", "1", "--max-body", "1") as (address, _):
        yield address


@pytest.mark.slow
def test_files_get_the_answers_that_predict_gives(address, root, tmp_path, monkeypatch):
    files = {"a.png": picture("red"), "b.jpg": picture("blue", "JPEG"), "c.gif": picture("green", "GIF")}
    turned = Picture.Exif()
    turned[Base.Orientation] = 6
    files["turned.jpg"] = picture("blue", "JPEG", exif=turned)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(root)
    expected = list(predict_images(*open_model("1")[:2], [tmp_path / name for name in files]))
    texts = [base64.b64encode(content).decode() for content in files.values()]
    for body in (
        records(texts),
        {"dataframe_split": {"columns": ["image"], "data": [[text] for text in texts]}},
    ):
        answers = post(address, body).json()["predictions"]
        assert [answer["label"] for answer in answers] == ["red", "blue", "green", "blue"]
        for answer, prediction in zip(answers, expected, strict=True):
            assert answer["probability"] == pytest.approx(prediction.probability, abs=1e-6)
            assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
            assert answer["labels"] == [prediction.label] and answer["version"] == "1"
    for content, prediction in zip(files.values(), expected, strict=True):  # what `curl --data-binary` sends
        headers = {"Content-Type": "image/jpeg"}
        (answer,) = requests.post(f"{address}/invocations", content, headers=headers, timeout=60).json()["predictions"]
        assert answer["label"] == prediction.label


@pytest.mark.slow
def test_arrays_are_answered_and_more_of_them_than_a_batch_holds(address):
    arrays = [np.full((32, 32, 3), COLORS[CLASSES[number % 3]]).tolist() for number in range(50)]
    for key in ("instances", "inputs"):
        answers = post(address, {key: arrays}).json()["predictions"]
        assert [answer["label"] for answer in answers] == [CLASSES[number % 3] for number in range(50)]


@pytest.mark.slow
def test_what_is_bad_gets_a_400_that_names_it_and_no_traceback(address):
    good = base64.b64encode(picture("red")).decode()
    cut = base64.b64encode(picture("red", "JPEG")[:300]).decode()
    cases = {
        "image 1 cannot be read as an image: .*; image 2 is not base64": [good, cut, "%%"],
        "image 0 cannot be read as an image: its content is not an image's": ["aGVsbG8="],
        "image 1 is null, not an image file in base64": [good, None],
        "the request holds no image": {"instances": []},
        r"image 0 has the shape \(1, …\); this model takes \(32, 32, 3\)": {"instances": [[[0, 0]]]},
        "image 0 holds other values than integers from 0 to 255": {"inputs": [np.full((32, 32, 3), 256).tolist()]},
        r"image 0 has the shape \(1, …\).*; image 1 has the shape \(2, …\)": {"inputs": [[1], [2, 3]]},
        r"dataframe_records\[0\] must be an object with the key image": {"dataframe_records": [{"picture": good}]},
        "JSON object with exactly one of": {},
        "valid JSON": "{",
    }
    for message, body in cases.items():
        refused = post(address, records(body) if isinstance(body, list) else body)
        assert refused.status_code == 400 and re.search(message, refused.json()["message"]), refused.text
        assert set(refused.json()) == {"error_code", "message"} and "Traceback" not in refused.text
    csv = post(address, 'image\n"', "text/csv")
    assert csv.status_code == 400 and "Traceback" not in csv.text
    assert post(address, good, "text/plain").status_code == 415
    assert "image 0 cannot be read" in post(address, good, "image/png").json()["message"]
    assert requests.get(f"{address}/nothing", timeout=60).json() == {"error_code": 404, "message": "Not Found"}
    large = post(address, records([good + "A" * 2**20]))
    assert large.status_code == 413 and "larger than 1 MiB; send fewer or smaller images" in large.json()["message"]
    assert post(address, records([good])).json()["predictions"][0]["label"] == "red"


@pytest.mark.slow
def test_the_server_says_what_answers(address):
    import mlflow

    assert requests.get(f"{address}/ping", timeout=60).status_code == 200
    assert requests.get(f"{address}/version", timeout=60).text == mlflow.__version__
    model = requests.get(f"{address}/model", timeout=60).json()
    assert (model["name"], model["version"], model["classes"]) == ("digits", "1", list(CLASSES))
    assert re.fullmatch("[0-9a-f]{64}", model["sha256"]) and model["image"]["size"] == 32


def test_a_multilabel_model_answers_with_the_labels_that_pass_their_thresholds():
    kernel = np.eye(3)[:, ::-1] * 12
    thresholds = {"thresholds": (0.3, 0.5, 0.3), "argmax_fallback": True}
    card = CARD.model_copy(update={"problem": "multilabel", **thresholds})
    version = LoadedVersion("7", "0" * 64, card, Batcher(LiteModel(convert(mean_colour(kernel, "sigmoid"), "test"))))
    purple, black = version.answer([np.full((32, 32, 3), colour, np.uint8) for colour in ((200, 0, 200), (0, 0, 0))])
    assert purple["labels"] == ("blue", "red") and purple["version"] == "7"
    assert len(black["labels"]) == 1 and black["probability"] < 0.01


def test_an_unsure_answer_has_no_label_but_possible_ones():
    rejection = Rejection(wanted_error=0.02, error=0.02, limit=0.6, coverage=0.5, images=200, possible_limit=0.2)
    card = CARD.model_copy(update={"rejection": rejection})
    kernel = np.eye(3)[:, ::-1] * 6
    version = LoadedVersion("7", "0" * 64, card, Batcher(LiteModel(convert(mean_colour(kernel, "softmax"), "test"))))
    purple, red = json.loads(
        json.dumps(version.answer([np.full((32, 32, 3), one, np.uint8) for one in ((200, 0, 200), (200, 0, 0))]))
    )
    assert (purple["label"], purple["reason"], purple["labels"]) == (None, "unsure", [])
    assert sorted(purple["possible_labels"]) == ["blue", "red"] and purple["probability"] == pytest.approx(
        0.5, abs=0.01
    )
    assert (red["label"], red["reason"], red["possible_labels"], red["labels"]) == ("red", None, ["red"], ["red"])


def test_a_taken_port_and_a_missing_champion_are_one_clear_message(tmp_path):
    make_project(tmp_path)
    give_mlflow_database(tmp_path)
    params = load_params(tmp_path / "params.yaml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TransferlineError, match=f"port {port} of 127.0.0.1 cannot be used: .*--port"):
            serve_model(tmp_path, params, "champion", port, 32)
    with pytest.raises(TransferlineError, match="no champion of the model digits yet"):
        serve_model(tmp_path, params, "champion", 0, 32)
