"""Attacks on a small network that was trained on images, compared with the attacks of another library."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import run_in_process
from tests.exported_folder import write_folder
from tests.segmentation_case import save_colour_model
from transferline import params
from transferline.errors import TransferlineError
from transferline.evaluation.attacks import attack, loss_gradient
from transferline.models.exported import ModelCard, both_columns, load_model
from transferline.params import Problem
from transferline.problems.evaluation import evaluation_of
from transferline.problems.label_predictions import predict_images
from transferline.training.training_job import make_deterministic

SIDE, CLASSES = 12, 3
LEAST_SIDE = 32  # of the images of a model in the params


def pictures(count: int, seed: int, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Noise with a weak stripe in one of three places, and which one, (count, 1)."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, CLASSES, (count, 1)).astype(np.int32)
    images = random.normal(120, 25, (count, side, side, 3))
    for image, (place,) in zip(images, truth, strict=True):
        image[:, 4 * place : 4 * place + 4] += 22
    return np.clip(images, 0, 255).astype(np.uint8), truth


def train(problem: Problem, side: int = SIDE) -> keras.Model:
    """A network as the line exports it: raw pixels in, the layer `probabilities` at the end."""
    make_deterministic(0)
    inputs = keras.Input((side, side, 3), dtype="uint8", name="image")
    hidden = keras.layers.Conv2D(8, 3, 2)(keras.layers.Rescaling(1 / 127.5, -1)(inputs))
    hidden = keras.layers.Flatten()(keras.layers.ReLU()(keras.layers.BatchNormalization()(hidden)))
    logits = keras.layers.Dense(1 if problem == "binary" else CLASSES)(hidden)
    activation = "softmax" if problem == "multiclass" else "sigmoid"
    model = keras.Model(inputs, keras.layers.Activation(activation, name="probabilities")(logits))
    images, truth = pictures(512, 1, side)
    loss = "sparse_categorical_crossentropy" if problem == "multiclass" else "binary_crossentropy"
    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit(images, as_targets(truth, problem), batch_size=64, epochs=6, verbose=0)
    return model


def as_targets(truth: NDArray[np.int32], problem: Problem) -> NDArray[Any]:
    """`truth` of `pictures` for a problem: the class, whether it is class 1, or the labels other than the class."""
    if problem == "multilabel":
        return 1 - np.eye(CLASSES, dtype=np.float32)[truth[:, 0]]
    return (truth == 1).astype(np.int32) if problem == "binary" else truth


def right(model: keras.Model, images: NDArray[np.uint8], targets: NDArray[Any], problem: Problem) -> float:
    said = both_columns(model(images))
    if problem == "multilabel":
        return float(((said > 0.5) == targets.astype(bool)).mean())
    return float((said.argmax(axis=1) == targets[:, 0]).mean())


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return train("multiclass")


@pytest.fixture(scope="module")
def attacked(network: keras.Model) -> Callable[..., NDArray[np.uint8]]:
    images, truth = pictures(200, 2)
    gradient = loss_gradient(network, "multiclass")
    return lambda name, epsilon, aim=truth, part=slice(None): attack(
        images[part], aim[part], gradient, name, epsilon, 10, 7
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_accuracy_falls_with_epsilon_and_no_pixel_moves_further(
    network: keras.Model, attacked: Callable[..., NDArray[np.uint8]], name: str
) -> None:
    images, truth = pictures(200, 2)
    accuracies = []
    for epsilon in (0, 1, 3, 6, 12):
        result = attacked(name, epsilon)
        assert result.dtype == np.uint8
        assert np.abs(result.astype(int) - images).max() == epsilon
        accuracies.append(right(network, result, truth, "multiclass"))
    assert accuracies[0] == right(network, images, truth, "multiclass") > 0.85
    assert (np.diff(accuracies) <= 0.01).all() and accuracies[-1] < 0.2, accuracies


def test_more_steps_find_more(network: keras.Model, attacked: Callable[..., NDArray[np.uint8]]) -> None:
    _, truth = pictures(200, 2)
    one, many = (right(network, attacked(name, 4), truth, "multiclass") for name in ("fgsm", "pgd"))
    assert many <= one


@pytest.mark.parametrize("name", ["targeted_fgsm", "targeted_pgd"])
def test_a_targeted_attack_raises_the_probability_of_its_goal(
    network: keras.Model, attacked: Callable[..., NDArray[np.uint8]], name: str
) -> None:
    images, truth = pictures(200, 2)
    before = both_columns(network(images))
    aim = evaluation_of("multiclass").goals(truth, before)
    assert aim.shape == truth.shape and (aim != truth).all()
    others = np.where(np.eye(CLASSES, dtype=bool)[truth[:, 0]], np.inf, before)
    assert (np.take_along_axis(before, aim, 1)[:, 0] == others.min(axis=1)).all()
    after = both_columns(network(attacked(name, 6, aim)))
    gain = np.take_along_axis(after - before, aim, 1)
    assert (gain > 0).mean() > 0.98 and gain.mean() > 0.1


def test_an_attack_depends_on_the_image_and_the_seed_alone(attacked: Callable[..., NDArray[np.uint8]]) -> None:
    together, again, alone = attacked("pgd", 4), attacked("pgd", 4), attacked("pgd", 4, part=slice(5, 6))
    np.testing.assert_array_equal(together, again)
    assert (together[5] != alone[0]).mean() < 0.01


@pytest.mark.parametrize("problem", ["binary", "multilabel"])
def test_other_problems(problem: Problem) -> None:
    model = train(problem)
    images, truth = pictures(100, 3)
    targets = as_targets(truth, problem)
    aim = evaluation_of(problem).goals(targets, both_columns(model(images)))
    assert (aim == 1 - targets).all()
    gradient = loss_gradient(model, problem)
    before = right(model, images, targets, problem)
    for name, wanted in (("fgsm", targets), ("pgd", targets), ("targeted_pgd", aim)):
        assert right(model, attack(images, wanted, gradient, name, 14, 5, 0), targets, problem) < before - 0.3


def card_of(problem: Problem) -> ModelCard:
    classes = ("a", "b") if problem == "binary" else ("a", "b", "c")
    thresholds = (0.5,) * 3 if problem == "multilabel" else None
    size = params.Image(size=LEAST_SIDE, color="rgb", resize="stretch")
    return ModelCard(candidate="n", phase="train", problem=problem, classes=classes, image=size, thresholds=thresholds)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "method"), [("multiclass", "fgsm"), ("multiclass", "pgd"), ("binary", "fgsm"), ("multilabel", "pgd")]
)
def test_a_photo_is_attacked_through_every_epsilon(
    problem: Problem, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "model", train(problem, LEAST_SIDE), card_of(problem))
    photo = tmp_path / "photo.png"
    Image.fromarray(pictures(1, 5, LEAST_SIDE)[0][0]).save(photo)
    (before,) = predict_images(card_of(problem), load_model(folder), [photo])
    target = next(name for name in card_of(problem).classes if name not in before.labels)
    for aim in ([], ["--target", target]):
        out = tmp_path / f"{len(aim)}.png"
        words = [photo, "--model", folder, "--method", method, "--epsilon", "1,20", *aim, "--out", out]
        assert run_in_process("attack", *words) == 0
        first, second, written = capsys.readouterr().out.splitlines()
        assert first.startswith("epsilon 1: ") and second.startswith("epsilon 20: ") and written.endswith(out.name)
        texts = second.removeprefix("epsilon 20: ").split(" -> ")
        labels = [tuple(re.findall(r"(\w+) [\d.]+%", text)) for text in texts]
        assert labels[0] == before.labels != labels[1], second
        assert not aim or target in labels[1], second
        with Image.open(out) as sheet:
            assert sheet.width == 3 * (200 + 8) + 8 and 2 * 200 < sheet.height < 3 * 200, "a row for each epsilon"
    with pytest.raises(TransferlineError, match=f"--target {before.labels[0]}: the model predicts it already"):
        run_in_process("attack", photo, "--model", folder, "--target", before.labels[0], "--out", out)


def test_the_mask_of_a_photo_is_attacked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, photo = save_colour_model(tmp_path / "model"), tmp_path / "photo.png"
    Image.new("RGB", (60, 40), (110, 110, 110)).save(photo)
    words = [photo, "--model", folder, "--epsilon", "2,90", "--target", "red", "--out", tmp_path / "out.png"]
    assert run_in_process("attack", *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epsilon 2: background 100.0% -> background")
    assert lines[1].startswith("epsilon 90: background 100.0% -> red"), lines


@pytest.mark.slow
def test_mistakes_of_an_attack_are_one_message(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model", train("multiclass", LEAST_SIDE), card_of("multiclass"))
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    photo.write_bytes(b"no image")
    with pytest.raises(TransferlineError, match="--target d: no such class; allowed are a, b, c"):
        run_in_process("attack", photo, "--model", folder, "--target", "d", "--out", out)
    with pytest.raises(TransferlineError, match=r"photo\.png cannot be read as an image"):
        run_in_process("attack", photo, "--model", folder, "--out", out)
    (folder / "model.keras").unlink()
    with pytest.raises(TransferlineError, match=r"has no model\.keras, whose gradients"):
        run_in_process("attack", photo, "--model", folder, "--out", out)
    for wrong in ("0", "256", "", "1,,2", "x"):
        with pytest.raises(SystemExit):
            run_in_process("attack", photo, "--epsilon", wrong, "--out", out)
    assert not out.exists()


@pytest.mark.slow
def test_another_library_finds_the_same(network: keras.Model, tmp_path: Path) -> None:
    """The Adversarial Robustness Toolbox, on a copy of the network that takes floats."""
    from art.attacks import evasion
    from art.estimators.classification import TensorFlowV2Classifier

    epsilon, steps = 9, 20
    images, truth = pictures(2000, 2)
    network.save(tmp_path / "model.keras")
    same = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    pixels = keras.Input((SIDE, SIDE, 3))
    values = pixels
    for layer in same.layers[1:]:
        values = layer(values)
    classifier = TensorFlowV2Classifier(
        keras.Model(pixels, values), CLASSES, (SIDE, SIDE, 3), clip_values=(0, 255),
        loss_object=keras.losses.SparseCategoricalCrossentropy(),
    )  # fmt: skip
    theirs = {
        "fgsm": evasion.FastGradientMethod(classifier, eps=epsilon),
        "pgd": evasion.ProjectedGradientDescent(
            classifier,
            eps=epsilon,
            eps_step=2.5 * epsilon / steps,
            max_iter=steps,
            num_random_init=1,
            batch_size=400,
            verbose=False,
        ),
    }
    gradient = loss_gradient(network, "multiclass")
    for name, method in theirs.items():
        found = np.rint(method.generate(images.astype(np.float32), truth[:, 0])).astype(np.uint8)
        ours = attack(images, truth, gradient, name, epsilon, steps, 7)
        figures = [right(network, result, truth, "multiclass") for result in (found, ours)]
        assert figures[0] == pytest.approx(figures[1], abs=0.0101), name
        assert 0.02 < figures[0] < 0.95, (name, figures)
