"""The endpoint and hostile clients: each mistake gets a status from 400 to 499, and memory and time have limits."""

import asyncio
import base64
import io
import json
import random
import resource
import zlib
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image as Picture

from transferline.models.exported import ModelCard
from transferline.models.lite import Outputs
from transferline.params import MAX_PIXELS, Image
from transferline.serving.application import application
from transferline.serving.batcher import Batcher
from transferline.serving.request_format import MOST_IMAGES, MOST_LISTS
from transferline.serving.served_model import LoadedVersion, ServedModel

CARD = ModelCard(
    candidate="c", phase="head", problem="multiclass", classes=("a", "b"),
    image=Image(size=32, color="rgb", resize="pad"),
)  # fmt: skip
JSON = "application/json"
MOST = 2**23


def served(most: int = MOST, probabilities: Any = lambda images: np.full((len(images), 2), 0.5, np.float32)) -> Any:
    """The endpoint with a model that always predicts the same."""
    model = SimpleNamespace(outputs=lambda images: [Outputs(row, None) for row in probabilities(images)])
    return application(ServedModel(LoadedVersion("1", "0" * 64, CARD, Batcher(model))), "digits", "champion", most)


def post(content: bytes, content_type: str | None = JSON, app: Any = None, **others: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app or served(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = others | ({"Content-Type": content_type} if content_type is not None else {})
            return await client.post("/invocations", content=content, headers=headers)

    return asyncio.run(ask())


def photograph() -> str:
    file = io.BytesIO()
    Picture.new("RGB", (40, 30), "red").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def blank_png(side: int) -> bytes:
    """A valid PNG of side² grey pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    packer, rows = zlib.compressobj(9), []
    for _ in range(side):
        rows.append(packer.compress(bytes(1 + side)))
    rows.append(packer.flush())
    header = side.to_bytes(4, "big") * 2 + bytes((8, 0, 0, 0, 0))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", b"".join(rows)) + chunk(b"IEND", b"")


GOOD = {"dataframe_records": [{"image": photograph()}]}
ARRAY = np.zeros((32, 32, 3), int).tolist()


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        GOOD | {"params": {"a": 1}},
        {"dataframe_split": {"columns": ["id", "image"], "index": [7], "data": [[1, photograph()]]}},
        {"instances": [ARRAY]},
        {"inputs": [ARRAY]},
    ],
)
@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
def test_the_forms_of_mlflows_protocol_are_read(body: Any, content_type: str) -> None:
    answer = post(json.dumps(body).encode(), content_type)
    assert answer.status_code == 200 and answer.json()["predictions"][0]["label"] == "a"


@pytest.mark.parametrize("text", ["image\n{}\n", "id,image\r\n1,{}\r\n\r\n", '\ufeff"image"\n"{}"'])
def test_csv_is_read(text: str) -> None:
    assert len(post(text.format(photograph()).encode(), "text/csv").json()["predictions"]) == 1


BAD_FORMAT = {
    "[" * 100_000: "too many levels",
    '{"a":' * 100_000: "too many levels",
    '{"instances": [' + "9" * 5000 + "]}": "not valid JSON: Exceeds the limit",
    '{"instances": [' + "9" * 4000 + "]}": "image 0 is 9",
    '{"instances": [[' + "[" * 500 + "]" * 500 + "]]}": "image 0 has the shape",
    '{"inputs": [1], "inputs": [2]}': "the key 'inputs' occurs twice",
    '{"inputs": [1], "instances": [2]}': "exactly one of .*; it has 'inputs', 'instances'",
    '{"picture": [1]}': "exactly one of .*; it has 'picture'",
    "[]": "exactly one of",
    "null": "exactly one of",
    '"x"': "exactly one of",
    "7": "exactly one of",
    "": "not valid JSON",
    "\0": "not valid JSON",
    '{"inputs": [NaN]}': "image 0 is NaN",
    '{"inputs": [1e999]}': "image 0 is Infinity",
    '{"inputs": [true]}': "image 0 is true",
    '{"inputs": {}}': "inputs must be a list",
    '{"instances": "abc"}': "instances must be a list",
    '{"instances": [{"image": "abc"}]}': "image 0 is .*, not an image file in base64",
    '{"instances": ["\\u0000"]}': "image 0 is not base64",
    '{"instances": ["\\ud800"]}': "image 0 is not base64",
    '{"\\ud800": 1}': "exactly one of",
    '{"dataframe_records": {}}': "dataframe_records must be a list",
    '{"dataframe_records": []}': "holds no image",
    '{"dataframe_records": [1]}': r"dataframe_records\[0\] must be an object with the key image",
    '{"dataframe_records": [{"image": 1}]}': "image 0 is 1, not an image file",
    '{"dataframe_records": [{"image": {"a": 1}}]}': "image 0 is {",
    '{"dataframe_split": []}': "dataframe_split must be an object",
    '{"dataframe_split": {"columns": "image", "data": []}}': "dataframe_split must be an object",
    '{"dataframe_split": {"data": [["x"]]}}': "dataframe_split must be an object",
    '{"dataframe_split": {"columns": ["image", "image"], "data": [["a", "b"]]}}': "once; it is there 2 times",
    '{"dataframe_split": {"columns": ["x"], "data": [["a"]]}}': "once; it is there 0 times",
    '{"dataframe_split": {"columns": ["image", []], "data": [["a"]]}}': r"data\[0\] must be a list of 2 values",
    '{"dataframe_split": {"columns": ["image"], "data": [7]}}': r"data\[0\] must be a list of 1 values",
    json.dumps({"instances": [np.full((32, 32, 3), 0.5).tolist()]}): "image 0 holds other values than integers",
    json.dumps({"instances": [np.full((32, 32, 3), -1).tolist()]}): "image 0 holds other values than integers",
    json.dumps({"instances": [np.full((32, 32, 3), "7").tolist()]}): "image 0 holds other values than integers",
    json.dumps({"instances": [np.full((32, 32, 3), True).tolist()]}): "image 0 holds other values than integers",
    json.dumps({"instances": [np.zeros((32, 32, 4), int).tolist()]}): r"image 0 has the shape \(32, 32, 4, …\)",
    json.dumps({"instances": [[*ARRAY[1:], [*ARRAY[0][1:], [1, 2]]]]}): r"the shape \(32, 32, 2, 3, …\)",
    json.dumps({"instances": [["A" * 2**20, *[""] * 31]]}): r"image 0 has the shape \(32, None, …\)",
}


@pytest.mark.parametrize(("body", "message"), BAD_FORMAT.items(), ids=range(len(BAD_FORMAT)))
def test_a_bad_format_is_a_400_that_names_the_field(body: str, message: str) -> None:
    import re

    refused = post(body.encode())
    assert refused.status_code == 400 and re.search(message, refused.json()["message"]), refused.text
    assert set(refused.json()) == {"error_code", "message"} and len(refused.text) < 2500


@pytest.mark.parametrize(
    ("content_type", "body", "status", "message"),
    [
        (None, "{}", 415, "Content-Type is None; send application/json or text/csv"),
        ("", "{}", 415, "send application/json"),
        ("text/plain", "{}", 415, "Content-Type is text/plain"),
        ("application/json; charset=latin-1", "{}", 415, "in UTF-8"),
        ("application/json; charset*=utf-8''x", "{}", 415, "in UTF-8"),
        ("application/vnd.apache.parquet", "PAR1", 415, "send application/json"),
        ("text/csv", "", 400, "must hold image once; it is there 0 times"),
        ("text/csv", "image,image\na,b", 400, "it is there 2 times"),
        ("text/csv", "image\na,b", 400, "must be a list of 1 values"),
        ("text/csv", 'image\n"', 400, "not valid CSV: line 2"),
        ("text/csv", "image\n\0", 400, "image 0 is not base64"),
        ("text/csv", "image\n", 400, "holds no image"),
        ("text/csv", "image\n" + "a\n" * (MOST_IMAGES + 1), 413, "send at most"),
        ("text/csv", "," * (MOST_LISTS + 1), 413, "send only the column image"),
        (JSON, json.dumps({"instances": [1] * (MOST_IMAGES + 1)}), 413, f"send at most {MOST_IMAGES}"),
        (JSON, '{"instances": [' + "[]," * (MOST_LISTS // 2) + "[]" * (MOST_LISTS // 2), 413, "lists and objects"),
        (JSON, " " * (MOST + 1), 413, "larger than 8 MiB; send fewer or smaller images"),
    ],
)
def test_a_bad_header_or_size_has_its_own_status(content_type: Any, body: str, status: int, message: str) -> None:
    refused = post(body.encode(), content_type, served(2**24 if len(body) < 2**24 and status == 413 else MOST))
    if body.isspace():
        refused = post(body.encode(), content_type)
    assert refused.status_code == status and message in refused.json()["message"], refused.text


def test_a_body_that_is_compressed_is_a_415() -> None:
    refused = post(b"\x1f\x8b", app=served(), **{"Content-Encoding": "gzip"})
    assert refused.status_code == 415 and "Content-Encoding is gzip; send the body without" in refused.json()["message"]


def test_a_method_that_is_not_allowed_gets_the_allowed_ones() -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served()), base_url="http://test") as client:
            return await client.get("/invocations")

    refused = asyncio.run(ask())
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST") and refused.json()["error_code"] == 405


def test_a_body_that_is_not_text_is_a_400() -> None:
    refused = post(b'{"instances": ["\xff"]}')
    assert refused.status_code == 400 and "not UTF-8: invalid start byte at byte 16" in refused.json()["message"]


def test_a_picture_with_too_many_pixels_is_not_decoded() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    bomb = blank_png(side)
    assert len(bomb) < 300_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = post(json.dumps({"instances": [base64.b64encode(bomb).decode()] * 2}).encode())
    assert refused.status_code == 400
    assert f"image 0 has {side} x {side} pixels; at most 50,000,000 are allowed" in refused.json()["message"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"


def test_the_pictures_of_a_request_have_a_limit_together() -> None:
    picture = base64.b64encode(blank_png(7000)).decode()
    refused = post(json.dumps({"instances": [picture] * 11}).encode())
    assert refused.status_code == 413 and "more than 500,000,000 pixels together" in refused.json()["message"]


def test_a_model_that_fails_is_a_500_without_the_reason() -> None:
    refused = post(json.dumps({"instances": [ARRAY]}).encode(), JSON, served(MOST, lambda images: images[99]))
    assert refused.status_code == 500
    assert refused.json() == {"error_code": 500, "message": "the model failed; the server has printed the error"}


def test_damaged_requests_never_are_a_500() -> None:
    """Cuts, repeats and replaces parts of good requests."""
    seeded, app = random.Random(7), served()
    bodies_of = [json.dumps(GOOD).encode(), json.dumps({"instances": [ARRAY[:2]]}).encode(), b"image\n" + b"aGk="]
    tokens = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"1e400", b"-0", b"NaN", b"\\u0000", b"\xff", b"\0"]
    found = set()
    for _ in range(1500):
        body = bytearray(seeded.choice(bodies_of))
        for _ in range(seeded.randrange(1, 4)):
            place = seeded.randrange(len(body) + 1)
            body[place : place + seeded.choice((0, 1, 9, 200))] = seeded.choice(tokens)
        answer = post(bytes(body), seeded.choice((JSON, JSON, "text/csv")), app)
        found.add(answer.status_code)
        assert answer.status_code in (200, 400), (bytes(body), answer.text)
    assert found == {200, 400}
