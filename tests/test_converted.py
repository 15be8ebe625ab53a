"""Converted networks in the user's cache folder."""

import os
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from tests.conftest import ROOT
from tests.tiny_training import candidate, make_data
from transferline.models import converted
from transferline.models.converted import read_converted, write_converted
from transferline.prediction.named_model import open_model
from transferline.training import fill_bank, frozen_layers, frozen_part

KEY = {"what": "a test"}


pytestmark = pytest.mark.usefixtures("no_converted_networks")


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteRT runs the frozen layers, also on a GPU machine. The small backbone counts as one of the catalogue."""
    monkeypatch.setattr(frozen_part, "is_own", lambda _: False)
    monkeypatch.setattr(frozen_part, "find_library", lambda _: None)
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda *_: [])


def small_backbone(unfreeze=None):
    backbone = {"name": "networks.mine:tiny_backbone", "weights": "none", "pooling": "avg", "unfreeze": unfreeze}
    return candidate(backbone=backbone, **({} if unfreeze else {"fine_tune": None}))


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "mine.py").write_text((ROOT / "networks" / "example.py").read_text())
    return tmp_path


@pytest.fixture
def conversions(monkeypatch):
    """One item for each conversion that is done."""
    done, real = [], frozen_layers.compile_frozen_layers

    def counted(section):
        done.append(section)
        return real(section)

    monkeypatch.setattr(frozen_layers, "compile_frozen_layers", counted)
    return done


def extracted(home, section, name):
    """The files of a bank, as another process would write them."""
    fill_bank._part.cache_clear()
    if not (home / "raw").exists():
        make_data(home / "raw")
    views = make_views(home / "raw")
    fill_bank.extract(home / "raw", views, section, "multiclass", home / name)
    return {path.name: path.read_bytes() for path in (home / name).iterdir()}


def make_views(raw):
    folder = raw.parent / "again"
    if not folder.exists():
        make_views.table = make_data(folder)[1]
    return make_views.table


def entries(folder):
    return sorted(folder.glob("*.zip"))


def test_a_second_bank_converts_nothing_and_has_the_same_values(home, conversions, no_converted_networks):
    section = small_backbone({"from_layer": "conv_3"})
    first, second = (extracted(home, section, name) for name in ("first", "second"))
    assert len(conversions) == 1 and len(entries(no_converted_networks)) == 1
    assert {"features-00000.npy", "boundary-0-00000.npy"} < set(first) and second == first


@pytest.mark.slow
def test_another_boundary_or_size_is_converted_anew(home, conversions):
    extracted(home, small_backbone(), "a")
    extracted(home, small_backbone({"from_layer": "conv_3"}), "b")
    larger = small_backbone().model_copy(update={"image": small_backbone().image.model_copy(update={"size": 64})})
    extracted(home, larger, "c")
    assert len(conversions) == 3


def test_a_backbone_of_ones_own_is_always_built(home, conversions, monkeypatch, no_converted_networks):
    """It can read files, which nothing identifies."""
    monkeypatch.undo()
    monkeypatch.chdir(home)
    for name in ("a", "b"):
        extracted(home, small_backbone(), name)
    assert not entries(no_converted_networks)


@pytest.mark.parametrize("harm", ["cut", "a byte", "another's", "no archive"])
def test_a_damaged_or_foreign_file_is_converted_anew(home, conversions, no_converted_networks, harm):
    first = extracted(home, small_backbone(), "first")
    (file,) = entries(no_converted_networks)
    whole = file.read_bytes()
    write_converted(KEY, {"boundary.tflite": b"", "features.tflite": b"", "shapes.json": b"{}"})
    (other,) = set(entries(no_converted_networks)) - {file}
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut": whole[:middle],
            "a byte": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "another's": other.read_bytes(),
            "no archive": b"text",
        }[harm]
    )
    assert extracted(home, small_backbone(), "second") == first and len(conversions) == 2
    assert extracted(home, small_backbone(), "third") == first and len(conversions) == 2


def test_the_entry_whose_use_is_longest_ago_goes_first(no_converted_networks, monkeypatch):
    keys = [{"number": number} for number in range(4)]
    for place, key in enumerate(keys[:3]):
        write_converted(key, {"a": bytes(1000)})
        for file in entries(no_converted_networks):
            os.utime(file, (place, file.stat().st_mtime if file.stat().st_mtime < 100 else place))
    (no_converted_networks / ".half.zip.partial").write_bytes(b"of a writer that was killed")
    assert read_converted(keys[0]) == {"a": bytes(1000)}  # used now
    size = entries(no_converted_networks)[0].stat().st_size
    monkeypatch.setattr(converted, "MOST_BYTES", 3 * size)
    write_converted(keys[3], {"a": bytes(1000)})
    assert [read_converted(key) is not None for key in keys] == [True, False, True, True]
    assert not list(no_converted_networks.glob(".*"))
    monkeypatch.setattr(converted, "MOST_BYTES", size - 1)
    write_converted(keys[1], {"a": bytes(1000)})
    assert entries(no_converted_networks) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(converted.VARIABLE, str(tmp_path / "file" / "cache"))
    write_converted(KEY, {"a": b"1"})
    assert "was not saved in the cache" in capsys.readouterr().out
    assert read_converted(KEY) is None


def test_it_lies_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(converted.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_converted(KEY, {"a": b"1"})
    assert entries(Path(platformdirs.user_cache_path("transferline")))


@pytest.mark.slow
def test_a_backbone_of_imagenet_is_built_once(monkeypatch):
    from transferline.models import imagenet

    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    _, first, _ = open_model("imagenet:efficientnet_lite0")
    monkeypatch.setattr(imagenet, "_convert", None)
    card, second, _ = open_model("imagenet:efficientnet_lite0")
    assert len(card.classes) == 1000 and card.image.size == 224
    np.testing.assert_array_equal(first.probabilities(pixels), second.probabilities(pixels))
