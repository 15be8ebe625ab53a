"""Damaged files of every kind that a user brings: each is read, or refused with one message, and nothing else."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from transferline.datasets.checks.scan import scan
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.errors import TransferlineError
from transferline.params import Csv, load_params

pytestmark = pytest.mark.thorough

TRIES = 1500
TABLE = "path,label,split\n" + "".join(f"{number}.png,{'ab'[number % 2]},train\n" for number in range(6))


def damaged(content: bytes, seed: int) -> Iterator[bytes]:
    """Cuts, flips, doubles or inserts bytes at random places."""
    random = np.random.default_rng(seed)
    for _ in range(TRIES):
        data = bytearray(content)
        for _ in range(random.integers(1, 5)):
            start = int(random.integers(0, len(data) + 1))
            end = min(len(data), start + int(random.integers(1, 40)))
            change = random.integers(0, 5)
            if change == 0:
                del data[start:end]
            elif change == 1:
                data[start:end] = random.bytes(end - start)
            elif change == 2:
                data[start:start] = data[start:end]
            elif change == 3:
                data[start:start] = random.bytes(5)
            else:
                del data[start:]
        yield bytes(data)


def refused_or_read(read: Callable[[], object]) -> None:
    try:
        read()
    except TransferlineError as error:
        assert str(error)


@pytest.mark.parametrize("recipe", ["digits", "voc2009_segmentation", "bottles_multilabel"])
def test_params(recipe: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    for content in damaged((ROOT / f"recipes/{recipe}.yaml").read_bytes(), 1):
        file.write_bytes(content)
        refused_or_read(lambda: load_params(file))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_images(kind: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    names = []
    for number, content in enumerate(damaged(stream.getvalue(), 2)):
        names.append(f"{number}.{kind.lower()}")
        (tmp_path / names[-1]).write_bytes(content)
    found = scan(tmp_path, names)
    assert found["path"].tolist() == names
    broken = found["luminance_mean"].isna()
    assert broken.any() and found.loc[broken, "error"].astype(bool).all()


def test_tables(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    layout = Csv(kind="csv", file="labels.csv", path_column="path", label_column="label", split_column="split")
    for content in damaged(TABLE.encode(), 3):
        (tmp_path / "labels.csv").write_bytes(content)
        refused_or_read(lambda: list_dataset(tmp_path, layout))
        refused_or_read(lambda: inspect_folder(tmp_path))
