"""A bank that does not fit on the disk, and a bank that is far larger than the allowed memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.tiny_training import candidate, job, make_data
from transferline.datasets.tables import ImageTable, write_table
from transferline.training.bank import INDEX_FILE, ROWS_FILE, VIEWS_PER_SHARD, shard_file
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.streamed_bank import open_bank

VALUES, VIEWS = 4096, 20_000
GATHER = """
import sys
from pathlib import Path

import numpy as np
import psutil

from transferline.training.bank import read_bank

bank, process = read_bank(Path(sys.argv[1])), psutil.Process()
order = np.random.default_rng(0).permutation(len(bank.rows("head", "train")))
bank.gather("features", order[:64])
before = process.memory_info().rss
for start in range(0, len(order), 64):
    bank.gather("features", order[start : start + 64])
print(process.memory_info().rss - before)
"""


def losses(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")[["loss", "val_loss"]]


@pytest.mark.slow
def test_what_does_not_fit_is_computed_to_the_same_result(tmp_path, capsys):
    raw, views = make_data(tmp_path / "raw")
    section = candidate(fine_tune={**candidate().fine_tune.model_dump(), "epochs": 1})
    # with the copy in DVC's cache the features take 0.98 MB, all arrays 1.13
    for name, room in (("whole", 10**9), ("features", 10**6), ("nothing", 0)):
        extract(raw, views, section, "multiclass", tmp_path / name, room=room)
    said = capsys.readouterr().out
    assert "The boundary is not stored; fine_tune runs" in said and "train_head and fine_tune run" in said
    whole, some, none = (open_bank(tmp_path / name, raw, section) for name in ("whole", "features", "nothing"))
    assert whole.is_whole and some.stored == ("features",) and none.stored == ()
    assert not list((tmp_path / "nothing").glob("*-0*.npy"))
    positions = np.random.default_rng(0).permutation(len(whole.rows("head", "train")))[:45]
    for found, wanted in (
        (none.gather("features", positions), whole.gather("features", positions)),
        (some.gather_boundary(positions), whole.gather_boundary(positions)),
    ):
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)
    for name, bank in (("stored", whole), ("streamed", some)):
        fine_tune(bank, section, None, job(section.fine_tune, tmp_path / name, "fine_tune"), raw)
    np.testing.assert_allclose(losses(tmp_path / "streamed"), losses(tmp_path / "stored"), rtol=2e-3)


def test_an_image_that_was_replaced_has_another_bank(tmp_path):
    raw, views = make_data(tmp_path / "raw")
    section = candidate(fine_tune=None, backbone={**candidate().backbone.model_dump(), "unfreeze": None})
    extract(raw, views, section, "multiclass", tmp_path / "bank")
    before = (tmp_path / "bank" / INDEX_FILE).read_text()
    changed = views.rows.assign(sha256=views.rows["sha256"].replace("red20", "other"))
    extract(raw, ImageTable(changed, views.classes), section, "multiclass", tmp_path / "bank")
    assert (tmp_path / "bank" / INDEX_FILE).read_text() != before


@pytest.mark.slow
def test_a_large_bank_does_not_stay_in_memory(tmp_path):
    rows = pd.DataFrame(
        {"path": "x", "label": "a", "split": "train", "in_head": True, "in_fine_tune": False}, range(VIEWS)
    )
    write_table(ImageTable(rows, ("a",)), tmp_path / ROWS_FILE)
    index = {"features": [VALUES], "boundary": [], "dtype": "float16", "stored": ["features"]}
    (tmp_path / INDEX_FILE).write_text(json.dumps(index))
    for start in range(0, VIEWS, VIEWS_PER_SHARD):
        shape = (min(VIEWS_PER_SHARD, VIEWS - start), VALUES)
        np.lib.format.open_memmap(shard_file(tmp_path, "features", start // VIEWS_PER_SHARD), "w+", np.float16, shape)
    grown = subprocess.check_output([sys.executable, "-c", GATHER, str(tmp_path)], text=True)
    assert int(grown) < 20e6  # of 164 MB
