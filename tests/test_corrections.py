"""Corrections in the stage validate. Here, `raw.parent/digits.csv` is the `data/corrections/NAME.csv` of a project."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.test_validate import SPLIT_FOLDERS, found, kept, make_raw, picture, run, save
from transferline.datasets.checks import validation_report
from transferline.datasets.checks.correction_file import read_label
from transferline.datasets.show import look, summary
from transferline.errors import TransferlineError
from transferline.params import ClassFolders

HEADER = "image,label,who,when,why,never_test\n"
NOTHING = {"relabelled": 0, "left_out": 0, "kept_out_of_test": 0, "unmatched": 0}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw")


def write(raw: Path, *rows: str, header: str = HEADER) -> None:
    (raw.parent / "digits.csv").write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def labels(table: Any) -> dict[str, str]:
    return dict(zip(table.rows["path"], table.rows["label"], strict=True))


def splits(table: Any) -> dict[str, str]:
    return dict(zip(table.rows["path"], table.rows["split"], strict=True))


def test_a_conflict_is_resolved_by_a_label_and_by_leaving_out(
    raw: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(raw / "cat/0.png", raw / "dog/x.png")
    shutil.copy(raw / "cat/2.png", raw / "dog/y.png")
    _, before = run(raw)
    write(raw, "dog/x.png,cat,Ann,2026-01-31,has whiskers,", "cat/2.png,,Bob,2026-02-01T10:00:00+00:00,see dog/y.png,")
    captions = []
    drawn = validation_report.contact_sheet

    def sheet(tiles: Any, *rest: Any) -> None:
        captions.extend(tile.caption for tile in tiles)
        drawn(tiles, *rest)

    monkeypatch.setattr(validation_report, "contact_sheet", sheet)
    report, table = run(raw)
    assert found(report) == [("cat/2.png", "excluded", "quarantine"), ("dog/x.png", "duplicate", "quarantine")]
    assert "digits.csv, row 3: see dog/y.png (Bob, 2026-02-01T10:00:00+00:00)" in report["findings"][0]["detail"]
    pair = ["duplicate\nx.png", "the other of the pair\n0.png"]
    assert list(filter(None, captions)) == [*pair, "excluded\nsee dog/y.png\n2.png"]
    assert {"cat/0.png", "dog/y.png"} <= kept(table) and labels(table)["dog/x.png"] == "cat"
    assert report["corrections"] == [
        {
            **{"path": "cat/2.png", "change": "left out", "from": "cat", "to": None},
            **{"who": "Bob", "when": "2026-02-01T10:00:00+00:00", "why": "see dog/y.png"},
        },
        {
            **{"path": "dog/x.png", "change": "relabelled", "from": "dog", "to": "cat"},
            **{"who": "Ann", "when": "2026-01-31", "why": "has whiskers"},
        },
    ]
    counts = report["counts"]
    assert counts["corrections"] == {**NOTHING, "relabelled": 1, "left_out": 1} and counts["quarantined"] == 1
    assert "corrections: 1 relabelled, 1 left out, 0 kept out of test, 0 match no image" in capsys.readouterr().out
    assert list(table.rows.columns) == list(before.rows.columns)
    assert "cat/2.png" in (raw.parent / "out/docs/index.html").read_text()


def test_no_file_and_a_file_without_rows_change_nothing(raw: Path) -> None:
    report, before = run(raw)
    write(raw)
    again, after = run(raw)
    assert again == report and after.rows.equals(before.rows)
    assert report["counts"]["corrections"] == NOTHING and report["corrections"] == []


def test_the_file_is_read_as_spreadsheets_write_it_and_later_rows_win(raw: Path) -> None:
    for name in ('a, "b".png', "grün.png"):
        save(raw / "cat" / name, picture(100 + len(name)))
    shutil.copy(raw / "cat/0.png", raw / "cat/copy.png")
    rows = [
        *(HEADER.strip(), "", '"cat/a, ""b"".png", dog ,Ann,2026-01-31,,no', ",,,,,"),
        *(
            "  cat/grün.png,  dog ",
            f"{sha256(raw / 'cat/0.png').upper()},dog,,,,FALSE",
            "cat/copy.png,,,,,",
            "dog/1.png,cat",
        ),
        *("dog/1.png,dog", "./dog/3.png,cat"),
    ]
    (raw.parent / "digits.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    report, table = run(raw)
    changed = {change["path"]: change["to"] for change in report["corrections"]}
    names = ('cat/a, "b".png', "cat/grün.png", "cat/0.png")
    assert changed == {**dict.fromkeys(names, "dog"), "cat/copy.png": None, "dog/3.png": "cat"}
    assert labels(table)["dog/1.png"] == "dog" and "cat/0.png" in kept(table)


def test_paths_and_labels_match_in_any_unicode_form(raw: Path) -> None:
    for number, name in enumerate(("gru\u0308n.png", "caf\u00e9.png", "bo\u0302a.png", "b\u00f4a.png")):
        save(raw / "cat" / name, picture(100 + number))
    write(raw, "cat/gr\u00fcn.png,dog", " cat/cafe\u0301.png ,dog", "./cat/bo\u0302a.png,dog")
    report, _ = run(raw)
    assert {change["path"] for change in report["corrections"]} == {
        *("cat/gru\u0308n.png", "cat/caf\u00e9.png", "cat/bo\u0302a.png")
    }
    layout = ClassFolders(kind="class_folders")
    assert [read_label(text, ("cat", "ku\u0308he"), layout) for text in ("k\u00fche", "ku\u0308he ")] == 2 * [
        "ku\u0308he"
    ]


def test_a_sha256_stands_for_every_file_of_that_content(raw: Path) -> None:
    shutil.copy(raw / "cat/0.png", raw / "dog/x.png")
    write(raw, f"{sha256(raw / 'cat/0.png')},dog,,,,")
    report, table = run(raw)
    assert found(report) == [("dog/x.png", "duplicate", "quarantine")]
    assert labels(table)["cat/0.png"] == labels(table)["dog/x.png"] == "dog"


def test_all_faulty_rows_are_named_at_once(raw: Path) -> None:
    write(
        raw,
        *("cat/0.png,dogg,,,,", "cat/1.png,dog,,31.1.2026,,maybe", "/x.png,dog,,,,", "../x.png,,,,,", ",dog,,,,"),
        "cat/2.png,dog,,,dark, blurred,no",
    )
    with pytest.raises(TransferlineError) as error:
        run(raw)
    for fault in (
        "digits.csv is wrong",
        "row 2, label: 'dogg' is not a class of this dataset; is dog meant? (its classes are cat, dog)",
        "row 3, when: '31.1.2026' is not a date; allowed are 2026-01-31",
        "row 3, never_test: 'maybe'; allowed are yes",
        "row 4, image: '/x.png' leaves the dataset's folder",
        "row 5, image: '../x.png' leaves the dataset's folder",
        "row 6, image: is empty",
        "row 7: 7 values for 6 columns; put double quotes",
    ):
        assert fault in str(error.value)
    assert not (raw.parent / "out" / "manifest.parquet").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column image"),
        (b"image;label;who;when;why;never_test\n", "no column image"),
        (
            b"image,label,who,when,why,never,why\n",
            "no column never_test(.|\n)*unknown column 'never'(.|\n)*why more than",
        ),
        (HEADER.encode() + b"cat/0.png,dog,J\xfcrgen,,,\n", "cannot be read as CSV in UTF-8"),
        (HEADER.encode() + b'cat/0.png,dog,,,"cut off,\n', "row 2 cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_an_error(raw: Path, content: bytes, message: str) -> None:
    (raw.parent / "digits.csv").write_bytes(content)
    with pytest.raises(TransferlineError, match=message):
        run(raw)


def test_an_entry_that_matches_nothing_is_named(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (raw / "cat/notes.txt").write_text("x")
    write(raw, "cat/1.png,dog,,,,", f"{'0' * 64},,,,,", "cat/notes.txt,,,,,", "cat/gone.png,,,,,")
    report, table = run(raw)
    assert "digits.csv, row 5: there is no image 'cat/gone.png'" in capsys.readouterr().out
    entries = [finding for finding in report["findings"] if finding["rule"] == "unmatched_correction"]
    assert [finding["path"].rpartition("/")[2] for finding in entries] == [
        f"digits.csv, row {row}" for row in range(2, 6)
    ]
    details = [finding["detail"] for finding in entries]
    assert details[0] == "there is no image 'cat/1.png'; of the same name: dog/1.png"
    assert details[1:3] == [f"no image has the sha256 {'0' * 64}", "'cat/notes.txt' is not an image"]
    assert {finding["severity"] for finding in entries} == {"warn"} and len(kept(table)) == 40
    assert report["counts"]["corrections"] == {**NOTHING, "unmatched": 4}
    with pytest.raises(
        TransferlineError, match=r"row 5: there is no image 'cat/gone.png' \(unmatched_correction, fail\)"
    ):
        run(raw, validate__rules__unmatched_correction="fail")


def test_an_image_that_is_left_out_breaks_no_rule_and_a_relabelled_one_still_does(raw: Path) -> None:
    for name in ("a", "b"):
        (raw / f"cat/{name}.png").write_bytes((raw / "cat/0.png").read_bytes()[:-200])
    write(raw, "cat/a.png,,,,broken,", "cat/b.png,dog,,,,")
    with pytest.raises(TransferlineError, match="1 of 41 images"):
        run(raw, validate__max_quarantined=0.0)
    report, table = run(raw)
    assert found(report) == [("cat/a.png", "excluded", "quarantine"), ("cat/b.png", "truncated", "quarantine")]
    assert labels(table)["cat/b.png"] == "dog" and len(kept(table)) == 40
    write(raw, "cat/a.png,,,,broken,", "cat/b.png,,,,broken,")
    run(raw, validate__max_quarantined=0.0, validate__rules__truncated="fail")


@pytest.mark.parametrize("label", ["", "dog"])
def test_a_class_without_images_left_is_no_class(raw: Path, label: str) -> None:
    for index in range(100, 110):
        save(raw / "bird" / f"{index}.png", picture(index))
    write(raw, *(f"bird/{index}.png,{label},,,," for index in range(100, 110)))
    report, table = run(raw)
    assert table.classes == ("cat", "dog") and ("bird", "empty_class", "warn") in found(report)


def test_an_image_without_a_label_can_get_one_but_not_without_a_split(raw: Path) -> None:
    save(raw / "x.png", picture(1000))
    write(raw, "x.png,dog,,,,")
    report, table = run(raw)
    assert report["findings"] == [] and labels(table)["x.png"] == "dog" and report["corrections"][0]["from"] is None
    for index, label in enumerate(("cat", "dog")):
        shutil.copytree(raw / label, raw / "TRAIN" / label)
        shutil.rmtree(raw / label)
        save(raw / "TEST" / label / "x.png", picture(2000 + index))
    report, _ = run(raw, data__layout=SPLIT_FOLDERS)
    entry = next(finding for finding in report["findings"] if finding["rule"] == "unmatched_correction")
    assert "'x.png' is in none of the dataset's splits" in entry["detail"]


def test_show_applies_corrections(raw: Path) -> None:
    write(raw, "cat/0.png,dog,,,,", "cat/2.png,,,,,")
    layout = ClassFolders(kind="class_folders")
    seen = look(raw, layout, corrections=raw.parent / "digits.csv")
    assert seen.counts()[""].to_dict() == {"cat": 18, "dog": 21} and seen.others == 0
    assert "corrections: 1 relabelled, 1 left out" in summary(seen, layout)
