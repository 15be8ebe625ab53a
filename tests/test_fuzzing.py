"""Damaged files of every kind that a user brings: each is read, or refused with one message, and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.conftest import ROOT
from tests.mutated_images import mutated_images
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.images import read_image
from transferline.datasets.layout_proposal import inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.errors import TransferlineError
from transferline.params import Csv, Data, Image, Validate, load_params

pytestmark = pytest.mark.thorough

TRIES = 1500
MOST_PIXELS = 4_000_000  # so that mutated sizes cost no time
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


def test_validate_accepts_an_image_exactly_if_training_can_read_it(tmp_path: Path) -> None:
    """6,000 mutated files of all formats: nothing crashes, and `validate` and the reader agree on every file."""
    raw = tmp_path / "raw"
    for name in ("a", "b"):
        (raw / name).mkdir(parents=True)
    for number, (suffix, content) in enumerate(mutated_images(6000, seed=2)):
        (raw / "ab"[number % 2] / f"{number}{suffix}").write_bytes(content)
    rules = Validate(max_pixels=MOST_PIXELS)
    validation = validate_dataset(raw, Data(dataset="raw", problem="binary"), rules)
    rows = validation.table.rows
    assert len(rows) == 6000
    accepted = dict(zip(rows["path"], rows["luminance_std"].notna(), strict=True))
    readable = {path: can_be_read(raw / path, number) for number, path in enumerate(rows["path"])}
    assert {path for path in accepted if accepted[path] != readable[path]} == set()
    assert 1000 < sum(readable.values()) < 5000
    assert not rows.loc[rows["luminance_std"].isna(), "kept"].any()
    assert {path for path in accepted if not accepted[path]} <= {finding.path for finding in validation.findings}


def can_be_read(file: Path, number: int) -> bool:
    image = Image(size=32, color="grayscale" if number % 2 else "rgb")
    try:
        return read_image(file, image, MOST_PIXELS).dtype == np.uint8
    except TransferlineError as error:
        assert str(error).partition("cannot be read as an image: ")[2].strip()
        return False


def test_tables(tmp_path: Path) -> None:
    for number in range(6):
        Picture.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    layout = Csv(kind="csv", file="labels.csv", path_column="path", label_column="label", split_column="split")
    for content in damaged(TABLE.encode(), 3):
        (tmp_path / "labels.csv").write_bytes(content)
        refused_or_read(lambda: list_dataset(tmp_path, layout))
        refused_or_read(lambda: inspect_folder(tmp_path))
