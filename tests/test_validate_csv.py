"""The stage validate with the layout `csv`."""

from pathlib import Path

import pandas as pd
import pytest

from tests.test_validate import CSV, found, kept, make_raw, run
from transferline.errors import TransferlineError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw")


def write_csv(raw: Path, **columns: list[str]) -> None:
    pd.DataFrame(columns).to_csv(raw / "labels.csv", index=False)


def test_csv_gives_labels_and_names_what_is_missing(raw: Path) -> None:
    files = [path.relative_to(raw).as_posix() for path in sorted(raw.rglob("*.png"))]
    write_csv(raw, file=[*files[1:], "gone.png"], **{"class": ["a", "b"] * 20})
    report, table = run(raw, data__layout=CSV)
    assert found(report) == [(files[0], "unlabelled", "warn"), ("gone.png", "unreadable", "quarantine")]
    assert table.classes == ("a", "b") and len(kept(table)) == 39


def test_csv_split_column_is_kept(raw: Path) -> None:
    files = [path.relative_to(raw).as_posix() for path in sorted(raw.rglob("*.png"))]
    splits = [("train", "validation", "test", "train")[index % 4] for index in range(40)]
    write_csv(raw, file=files, split=splits, **{"class": [file[:3] for file in files]})
    _, table = run(raw, data__layout={**CSV, "split_column": "split"})
    assert dict(zip(files, splits, strict=True)) == dict(zip(table.rows["path"], table.rows["split"], strict=True))


@pytest.mark.parametrize("name", ["validation", "val", "dev"])
def test_csv_validation_is_used_as_test_if_there_is_no_test(raw: Path, name: str) -> None:
    files = [path.relative_to(raw).as_posix() for path in sorted(raw.rglob("*.png"))]
    splits = [("train", "train", name, "train")[index % 4] for index in range(40)]
    write_csv(raw, file=files, split=splits, **{"class": [file[:3] for file in files]})
    _, table = run(raw, data__layout={**CSV, "split_column": "split"})
    dealt = table.rows.set_index("path")["split"][files]
    assert set(dealt[2::4]) == {"test"} and set(dealt.drop(files[2::4])) == {"train", "validation"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": ["cat/0.png"], "class": ["a"]}, "no column file; its columns are name, class"),
        ({"file": ["../x.png", "/y.png"], "class": ["a", "b"]}, r"folder: row 2 \('\.\./x.png'\), row 3 \('/y.png'\)"),
        (
            {"file": ["cat/0.png", "cat/0.png"], "class": ["a", "b"]},
            r"listed more than once: row 2 \('cat/0.png'\), row 3",
        ),
    ],
)
def test_wrong_csv_is_an_error(raw: Path, columns: dict[str, list[str]], message: str) -> None:
    write_csv(raw, **columns)
    with pytest.raises(TransferlineError, match=message):
        run(raw, data__layout=CSV)
