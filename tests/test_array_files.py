"""Arrays of NumPy are read as images."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from tests.test_images import noise, wanted
from tests.test_masks import VALIDATE
from transferline import params
from transferline.datasets.checks.scan import scan
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.images import read_image
from transferline.datasets.layouts.contents import read_contents_of
from transferline.datasets.layouts.csv_proposal import propose_csv
from transferline.errors import TransferlineError

SIZE = 32


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["a.npy", "a", "a.png"])
def test_an_array_of_numpy_is_read_like_the_same_pixels_of_a_png(tmp_path, order, name):
    pixels = noise(SIZE, SIZE + 9, 3)
    (tmp_path / name).write_bytes(saved(np.asarray(pixels, order=order)))
    Image.fromarray(pixels).save(tmp_path / "same.png")
    np.testing.assert_array_equal(*(read_image(tmp_path / file, wanted()) for file in (name, "same.png")))
    array, picture = (row for _, row in scan(tmp_path, [name, "same.png"]).iterrows())
    assert array["format"] == "NPY" and (array["width"], array["height"]) == (SIZE + 9, SIZE)
    for column in ("mode", "orientation", "luminance_mean", "luminance_std", "phash"):
        assert array[column] == picture[column]


BAD_ARRAYS = {
    "float": (saved(noise(4, 4, 3).astype(np.float32)), "undecodable", r"an array of float32 \(4, 4, 3\)"),
    "gray": (saved(noise(4, 4)), "undecodable", r"an array of uint8 \(4, 4\); only uint8 \(height, width, 3\)"),
    "rgba": (saved(noise(4, 4, 4)), "undecodable", r"\(4, 4, 4\)"),
    "first": (saved(noise(3, 8, 8)), "undecodable", r"\(3, 8, 8\)"),
    "empty": (saved(noise(0, 4, 3)), "undecodable", r"\(0, 4, 3\)"),
    "objects": (saved(np.array([[None]]), allow_pickle=True), "undecodable", "an array of object"),
    "cut": (saved(noise(8, 8, 3))[:-10], "truncated", "182 of 192 bytes"),
    "head": (saved(noise(8, 8, 3))[:30], "undecodable", "array header, expected 118 bytes got 20"),
    "huge": (
        saved(noise(4, 4, 3)).replace(b"(4, 4, 3), }  ", b"(9999999, 9999999, 3), }")[:128],
        "truncated",
        "of 299",
    ),
    "new": (b"\x93NUMPY\x09\x00" + bytes(40), "undecodable", "version 9.0 of .npy"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_bad_array_is_a_finding_and_one_message(tmp_path, name):
    content, rule, reason = BAD_ARRAYS[name]
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        Image.fromarray(noise(SIZE, SIZE, 3)).save(tmp_path / folder / "good.png")
    (tmp_path / "x" / "bad.npy").write_bytes(content)
    with pytest.raises(TransferlineError, match=rf"bad\.npy cannot be read as an image: .*{reason}"):
        read_image(tmp_path / "x" / "bad.npy", wanted())
    findings = validate_dataset(tmp_path, params.Data(dataset="a", problem="binary"), VALIDATE).findings
    (found,) = [finding for finding in findings if finding.path == "x/bad.npy"]
    assert found.rule == rule and re.search(reason, found.detail)


def test_the_layout_csv_reads_arrays(tmp_path):
    (tmp_path / "img").mkdir()
    for number in range(6):
        np.save(tmp_path / "img" / f"train_{number}.npy", noise(SIZE, SIZE, 3, seed=number))
    rows = [f"train_{number},{number % 2},{1 - number % 2}" for number in range(6)]
    (tmp_path / "table.csv").write_text("\n".join(["Id,cat,dog", *rows]))
    layout = {"kind": "csv", "file": "table.csv", "path_column": "Id", "folder": "img", "suffix": ".npy"}
    layout["label_columns"] = ["cat", "dog"]
    proposed = propose_csv(read_contents_of(tmp_path))
    assert not isinstance(proposed, str)
    assert proposed.layout == params.Csv(**layout | {"label_columns": ("cat", "dog")})
    data = params.Data.model_validate_json(json.dumps({"dataset": "a", "problem": "multilabel", "layout": layout}))
    table = validate_dataset(tmp_path, data, VALIDATE).table.rows
    assert table["kept"].all() and set(table["label"]) == {"cat", "dog"}
