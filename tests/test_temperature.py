"""The temperature: the scale that it recovers, its bounds, and its place in both exported files."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tests.exported_folder import exported
from transferline.evaluation.attacks import loss_gradient
from transferline.metrics.calibration import expected_calibration_error
from transferline.models.convert import convert
from transferline.models.exported import both_columns
from transferline.models.lite import LiteModel
from transferline.problems.training import training_of
from transferline.training.assemble_model import with_temperature
from transferline.training.temperature import fit_temperature, losses_at_best_temperature


def drawn(problem, n, scale, spread=2.0):
    """Logits of a calibrated model times `scale`, with targets drawn from the calibrated probabilities."""
    random, outputs = np.random.default_rng(4), 1 if problem == "binary" else 5
    logits = random.normal(0, spread, (n, outputs))
    if problem in ("binary", "multilabel"):
        return logits * scale, (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int32)
    gumbel = random.gumbel(size=logits.shape)
    return logits * scale, (logits + gumbel).argmax(axis=1)[:, None].astype(np.int32)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel", "segmentation"])
@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_a_known_scale_is_recovered(problem, scale):
    logits, targets = drawn(problem, 20_000, scale)
    assert fit_temperature(training_of(problem), logits, targets) == pytest.approx(scale, rel=0.05)


def test_probabilities_become_calibrated():
    kind = training_of("multiclass")
    logits, truth = drawn("multiclass", 4000, 3.0)
    temperature = fit_temperature(kind, logits[:2000], truth[:2000])
    logits, truth = logits[2000:], truth[2000:]

    def error(scaled):
        likely = kind.probabilities(scaled)
        return expected_calibration_error(likely.max(axis=1), likely.argmax(axis=1) == truth[:, 0])

    assert error(logits) > 0.15 and error(logits / temperature) < 0.06


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("n", [1, 8, 500])
def test_a_validation_without_errors_does_not_make_a_model_certain(problem, n):
    """The true label gets at most about the probability (n + 1) / (n + 2)."""
    kind = training_of(problem)
    logits = np.random.default_rng(5).normal(0, 0.5, (n, 1 if problem == "binary" else 3))
    likely = kind.probabilities(logits)
    targets = likely.argmax(axis=1)[:, None] if problem != "multilabel" else (logits > 0).astype(int)
    temperature = fit_temperature(kind, logits, targets)
    truth = kind.indicators(targets, logits.shape[1])
    assert 0.0499 <= temperature <= 1
    after, before = (kind.cross_entropies(logits / value, truth)[0].mean() for value in (temperature, 1.0))
    assert after <= before and np.exp(-after) <= (n + 1.5) / (n + 2)


@pytest.mark.parametrize(("scale", "most"), [(1, 1.35), (3, 0.85)])
def test_few_images_do_little_harm_to_a_calibrated_model_and_help_one_that_is_too_sure(scale, most):
    """The cross-entropy on new images, as a multiple of that at temperature 1."""
    kind, random = training_of("binary"), np.random.default_rng(8)
    logits = random.normal(0, 8, (40 * 24 + 10_000, 1))
    targets = (random.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)
    logits *= scale
    new, truth = logits[-10_000:], targets[-10_000:]

    def loss(temperature):
        return kind.cross_entropies(new / temperature, truth)[0].mean()

    sets = [slice(start, start + 24) for start in range(0, 40 * 24, 24)]
    losses = [loss(fit_temperature(kind, logits[part], targets[part])) for part in sets]
    assert np.mean(losses) < most * loss(1.0) and max(losses) < 1.6 * loss(1.0)


def test_random_labels_have_the_highest_temperature_and_three_right_images_allow_a_probability_of_four_fifths():
    kind, random = training_of("multiclass"), np.random.default_rng(6)
    logits, targets = random.normal(0, 30, (400, 4)), random.integers(0, 4, (400, 1))
    temperature = fit_temperature(kind, logits, targets)
    assert 15 < temperature <= 20.01
    sure = np.array([[9.0, 0.0]] * 3)
    temperature = fit_temperature(kind, sure, np.zeros((3, 1), int))
    assert kind.probabilities(sure / temperature)[0, 0] == pytest.approx(4 / 5, abs=0.001)


def test_of_two_models_without_errors_the_one_with_even_margins_has_the_lower_losses_at_any_scale():
    kind, random = training_of("binary"), np.random.default_rng(9)
    truth = random.integers(0, 2, (60, 1))
    signs = 2.0 * truth - 1
    even, uneven = signs * random.uniform(4, 5, signs.shape), signs * random.uniform(1, 40, signs.shape)
    losses = [losses_at_best_temperature(kind, logits, truth) for logits in (even, 10 * even, uneven)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) and losses[0].shape == (60,)
    assert losses[0].mean() < losses[2].mean()
    assert min(each.min() for each in losses) > 0.08, "the entropy of the targets is 0.083"


@pytest.mark.parametrize(("scale", "temperature"), [(1e-6, 0.05), (0.1, 0.1), (10, 10), (1e6, 20)])
def test_a_temperature_is_from_0_05_to_20(scale, temperature):
    logits, targets = drawn("multiclass", 20_000, scale)
    assert fit_temperature(training_of("multiclass"), logits, targets) == pytest.approx(temperature, rel=0.05)


def test_pixels_that_are_void_do_not_change_the_temperature():
    logits, targets = drawn("segmentation", 1024, 3.0)
    masks, kind = targets.reshape(4, 16, 16, 1), training_of("segmentation")
    masks[:, :4] = 255

    def fitted(of_void):
        outputs = np.where(masks == 255, of_void, logits.reshape(4, 16, 16, 5)).astype(np.float32)
        validation = SimpleNamespace(views_per_epoch=4, items=lambda: [(None, masks, None)])
        return fit_temperature(kind, *kind.held_out(SimpleNamespace(predict_on_batch=lambda _: outputs), validation))

    assert fitted(np.array([1e4, -1e4, 0, 0, 0])) == fitted(0) == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel"])
def test_both_files_divide_the_logits(problem):
    image = keras.Input((8, 8, 3), dtype="uint8")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 99)(image))
    kind = training_of(problem)
    logits = keras.layers.Dense(1 if problem == "binary" else 3, name="logits")(pooled)
    before = exported(keras.Model(image, keras.layers.Activation(kind.activation, name="probabilities")(logits)))
    after = with_temperature(before, 2.5, problem)
    pixels = np.random.default_rng(7).integers(0, 256, (6, 8, 8, 3), np.uint8)
    expected = kind.probabilities(np.asarray(keras.Model(image, logits)(pixels)) / 2.5)
    assert both_columns(after.model(pixels)) == pytest.approx(expected, abs=1e-6)
    assert LiteModel(convert(after.outputs, "test")).probabilities(pixels) == pytest.approx(expected, abs=1e-6)
    assert (expected.argmax(axis=1) == both_columns(before.model(pixels)).argmax(axis=1)).all()
    targets = np.zeros((6, 3 if problem == "multilabel" else 1), int)
    assert np.abs(loss_gradient(after.model, problem)(pixels, targets)).max() > 0
