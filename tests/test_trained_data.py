"""A run, a version, the ledger and the report name the data on which the model was trained."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.registry_project import registry_project, select, train, validation_report, write_lock
from tests.small_line import command, edit, make_line
from transferline.atomic_files import write_json
from transferline.datasets.dvc_lock_file import locked_stages, trained_revision
from transferline.datasets.revisions import recorded_hash
from transferline.errors import TransferlineError
from transferline.registry import ledger
from transferline.registry.promotion import promote
from transferline.registry.registered_models import download_version
from transferline.registry.runs import find_or_replay
from transferline.registry.tracking import connect
from transferline.report.page import write_page

SHOW = (
    "from pathlib import Path; from transferline.datasets.dvc_lock_file import trained_revision; "
    "print(trained_revision(Path(), 'images'))"
)


@pytest.mark.slow
def test_while_stages_run_the_revision_is_that_of_dvc_lock(tmp_path: Path) -> None:
    """A training sees what `validate` read just before."""
    line = make_line(tmp_path / "line")
    edit(
        line / "dvc.yaml",
        "python step.py train_head manifest",
        f'python -c "{SHOW}" > shown; python step.py train_head manifest',
    )
    before = recorded_hash(line, "images")
    assert trained_revision(line, "images") == ""
    (line / "data/raw/images/b.txt").write_text("b")
    command("dvc", "repro", cwd=line)
    shown = (line / "shown").read_text().strip()
    assert shown == trained_revision(line, "images") == recorded_hash(line, "images") != before
    (line / "data/raw/images/c.txt").write_text("c")
    command("dvc", "add", "-q", "data/raw/images", cwd=line)
    assert trained_revision(line, "images") == shown != recorded_hash(line, "images")


def test_a_lock_that_dvc_is_writing_is_read_again_and_a_broken_one_is_named(tmp_path, monkeypatch):
    write_lock(tmp_path, "abc.dir")
    whole, lock = (tmp_path / "dvc.lock").read_text(), tmp_path / "dvc.lock"
    lock.write_text(whole[: whole.index("abc.dir") + 1])
    monkeypatch.setattr("time.sleep", lambda _: lock.write_text(whole))
    assert trained_revision(tmp_path, "colors") == "abc.dir"
    lock.write_text("stages: {validate: [")
    monkeypatch.setattr("transferline.datasets.dvc_lock_file.SECONDS_TO_WRITE", -1)
    with pytest.raises(TransferlineError, match=r"dvc\.lock cannot be read as YAML: .*`git checkout dvc\.lock`"):
        locked_stages(lock)


@pytest.mark.slow
def test_a_version_keeps_its_data_revision_its_counts_and_its_manifest(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    (tmp_path / "data/raw/colors.dvc").write_text("outs: [{md5: other.dir, path: colors}]\n")
    write_lock(tmp_path, "trained.dir")
    head = train(params, "head", "fair")
    select(params, head)
    first = promote(params, tmp_path).version
    client = connect(params.record, tmp_path)
    version, live = client.get_model_version("colors", first), client.get_run(find_or_replay(client, params, head))
    expected = {"data_revision": "trained.dir", "corrections_revision": "c.dir", "images": "36"}
    assert expected.items() <= version.tags.items() and expected.items() <= live.data.tags.items()
    assert json.loads(version.tags["images_by_class"]) == {"blue": 12, "green": 12, "red": 12}
    (dataset,) = (item.dataset for item in live.inputs.dataset_inputs)
    assert (dataset.name, dataset.digest) == ("colors", "trained.")
    assert live.info.run_name == "small head, data trained."
    assert json.loads(dataset.profile)["images"] == 36
    data = "### Data\ncolors at revision trained.: 36 images in 3 classes (blue: 12, green: 12, red: 12)"
    assert data in version.description
    with (download_version(version) / "origin" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36 and len(rows[0]["sha256"]) == 64 and rows[0]["split"] == "test" and rows[0]["kept"] == "True"

    write_lock(tmp_path, "more.dir")
    write_json(tmp_path / "reports" / "validation.json", validation_report(15))
    select(params, train(params, "fine_tune", "good"))
    promote(params, tmp_path)
    moves = ledger.read(tmp_path)
    assert [(move.data_revision, move.images, move.images_by_class["blue"]) for move in moves] == [
        ("trained.dir", 36, 12),
        ("more.dir", 39, 15),
    ]
    assert ledger.history(moves, "colors").splitlines()[1].split().count("39") == 1
    report = tmp_path / "reports" / "decision"
    data = json.loads((report / "decision.json").read_text())["data"]
    assert (data["challenger"]["data_revision"], data["champion"]["data_revision"]) == ("more.dir", "trained.dir")
    page = write_page(params, tmp_path).read_text()
    cells = re.findall(r"<span>([^<]*)</span>", page[page.index("Images by class") :])[:4]
    assert cells == ["blue", "0", "7 (+3)", "8"] and "revision more.dir" in page


def test_what_was_trained_on_other_data_than_validate_accepted_is_not_promoted(tmp_path, monkeypatch):
    params = registry_project(tmp_path, monkeypatch)
    select(params, train(params, "head", "good"))
    write_lock(tmp_path, "new.dir", trained="old.dir")
    with pytest.raises(
        TransferlineError, match=r"of candidate small, which was not trained on .*augment, extract@small"
    ):
        promote(params, tmp_path)
    write_lock(tmp_path, "new.dir")
    assert promote(params, tmp_path).promoted
    select(params, train(params, "fine_tune", "good"))
    (tmp_path / "data" / "manifest.parquet").unlink()
    with pytest.raises(TransferlineError, match=r"manifest\.parquet is missing"):
        promote(params, tmp_path)


def test_a_line_of_the_ledger_from_before_the_counts_is_read(tmp_path):
    (tmp_path / "mlruns").mkdir()
    old = {"kind": "promotion", "model": "colors", "former": None, "version": "1", "reason": "first", "forced": False}
    line = old | {"figure": "accuracy 0.9", "test_set": "f" * 64, "data_revision": "abc.dir"}
    (tmp_path / ledger.LEDGER).write_text(json.dumps(line) + "\n")
    assert ledger.read(tmp_path)[0].images_by_class == {}
    assert "  -  " in ledger.history(ledger.read(tmp_path), "colors")


@pytest.mark.slow
def test_the_counts_are_those_of_the_real_validation(trained_project: Path) -> None:
    from transferline.registry.trained_data import trained_data

    found = trained_data(trained_project, "colors")
    assert found.images == sum(found.images_by_class.values()) == 120
    assert found.data_revision == recorded_hash(trained_project, "colors")
