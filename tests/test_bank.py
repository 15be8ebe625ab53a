"""The bank, on tiny images of three colours."""

import resource
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_training import candidate, frozen, lite0, make_data
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.models.backbones import build_backbone
from transferline.training import fill_bank as extract_module
from transferline.training.assemble_model import assemble
from transferline.training.bank import read_bank, shard_file
from transferline.training.fill_bank import extract


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageTable]:
    return make_data(tmp_path_factory.mktemp("raw"))


def files(bank: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bank.iterdir()}


@pytest.mark.slow
def test_the_bank_holds_what_the_plain_backbone_says_of_each_view(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(), "multiclass", tmp_path)
    bank = read_bank(tmp_path)
    rows = bank.rows("head", "validation")
    assert set(rows["kind"]) == {"untouched"} and len(rows) == 24
    backbone = build_backbone(candidate().backbone, candidate().image)
    head = _Passing(bank.features[0])
    model = assemble(backbone, head.model, candidate(), "multiclass").model
    from transferline.datasets.images import read_batch

    plain = model(read_batch(raw, rows["path"].tolist(), candidate().image))
    banked = bank.gather("features", rows.index.to_numpy())
    softmax = np.exp(banked) / np.exp(banked).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, plain, rtol=5e-3)
    assert set(bank.rows("head", "train")["kind"]) == {"untouched", "flipped"}
    assert set(bank.rows("fine_tune", "train")["kind"]) == {"untouched", "augmented"}
    assert not (bank.table.rows["split"] == "test").any()


class _Passing:
    """A head that hands the features on, so that the exported model shows them (as a softmax)."""

    def __init__(self, features: int) -> None:
        import keras

        inputs = keras.Input((features,))
        self.model = keras.Model(inputs, keras.layers.Identity()(inputs))


def test_an_interrupted_extract_goes_on_from_the_last_whole_shard(data, tmp_path, monkeypatch):
    raw, views = data
    monkeypatch.setattr(extract_module, "VIEWS_PER_SHARD", 64)
    monkeypatch.setattr("transferline.training.bank.VIEWS_PER_SHARD", 64)
    extract(raw, views, candidate(), "multiclass", tmp_path / "whole")
    run_shard, done = extract_module.frozen_arrays, []

    def interrupted(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return run_shard(*arguments)

    monkeypatch.setattr(extract_module, "frozen_arrays", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(raw, views, candidate(), "multiclass", tmp_path / "resumed")
    assert shard_file(tmp_path / "resumed", "features", 1).exists()
    assert not shard_file(tmp_path / "resumed", "features", 2).exists()
    calls = []
    monkeypatch.setattr(extract_module, "frozen_arrays", lambda *given: calls.append(1) or run_shard(*given))
    extract(raw, views, candidate(), "multiclass", tmp_path / "resumed")
    assert files(tmp_path / "resumed") == files(tmp_path / "whole")
    assert len(calls) == len(list((tmp_path / "whole").glob("features-*"))) - 2


@pytest.mark.slow
def test_shards_of_other_params_are_not_used_again(data, tmp_path):
    raw, views = data
    extract(raw, views, candidate(), "multiclass", tmp_path)
    before = files(tmp_path)
    extract(raw, views, candidate(image={"size": 64, "color": "rgb", "resize": "stretch"}), "multiclass", tmp_path)
    assert files(tmp_path)["features-00000.npy"] != before["features-00000.npy"]


def test_a_bank_that_another_candidate_has_is_copied(data, tmp_path, monkeypatch, capsys):
    raw, views = data
    extract(raw, views, candidate(), "multiclass", tmp_path / "a")
    monkeypatch.setattr(extract_module, "frozen_arrays", None)
    extract(raw, views, candidate(), "multiclass", tmp_path / "b", banks=tmp_path)
    assert files(tmp_path / "b") == files(tmp_path / "a")
    assert f"{tmp_path / 'a'} holds the same values, which are copied" in capsys.readouterr().out
    other = candidate(image={"size": 64, "color": "rgb", "resize": "stretch"})
    with pytest.raises(TypeError, match="not callable"):  # it computes
        extract(raw, views, other, "multiclass", tmp_path / "c", banks=tmp_path)


def test_other_code_uses_no_shard_again(data, tmp_path, monkeypatch):
    raw, views = data
    monkeypatch.setattr(extract_module, "stage_code", lambda stage, project: {"source": "1"})
    extract(raw, views, candidate(), "multiclass", tmp_path / "bank")
    monkeypatch.setattr(extract_module, "frozen_arrays", None)
    extract(raw, views, candidate(), "multiclass", tmp_path / "bank")
    monkeypatch.setattr(extract_module, "stage_code", lambda stage, project: {"source": "2"})
    with pytest.raises(TypeError, match="not callable"):
        extract(raw, views, candidate(), "multiclass", tmp_path / "bank")


def test_a_full_disk_is_one_message_and_leaves_no_half_written_shard(data, tmp_path):
    raw, views = data
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(
            TransferlineError, match=r"could not be written to .*make room \(the bank takes about 0\.00 GB"
        ):
            extract(raw, views, candidate(), "multiclass", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


@pytest.mark.slow
def test_values_beyond_float16_are_refused(data, tmp_path, monkeypatch):
    raw, views = data
    monkeypatch.setattr("transferline.training.frozen_part.apply_views", lambda images, rows: images * np.float32(1e12))
    # a network of ReLUs is homogeneous: huge pixels give huge activations
    vgg = frozen(backbone=lite0(name="vgg16", weights="none", unfreeze=None))
    with pytest.raises(TransferlineError, match=r"extract\.dtype to float32"):
        extract(raw, views, vgg, "multiclass", tmp_path)


@pytest.mark.slow
def test_a_feature_map_that_is_not_pooled_is_banked_whole(data, tmp_path):
    raw, views = data
    settings = {"layers": ({"kind": "flatten"},), "image": {"size": 64, "color": "rgb", "resize": "stretch"}}
    for pooling in ("none", "avg"):
        section = frozen(**{**settings, "backbone": lite0(unfreeze=None, pooling=pooling)})
        extract(raw, views, section, "multiclass", tmp_path / pooling)
    whole, pooled = (read_bank(tmp_path / pooling) for pooling in ("none", "avg"))
    assert (whole.features, pooled.features) == ((2, 2, 1280), (1280,))
    positions = np.array([0, 100, 7])
    maps = whole.gather("features", positions)
    assert maps.shape == (3, 2, 2, 1280) and maps.dtype == np.float32
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), pooled.gather("features", positions), atol=5e-3)
