"""The fast gradient sign method and projected gradient descent, on raw images and through the preprocessing.

Goodfellow, Shlens and Szegedy, Explaining and Harnessing Adversarial Examples, ICLR 2015; Madry and others, Towards
Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018. Attacked images have integer pixels, so that the
exported model can predict them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from transferline.arrays import Array, Floats, Pixels
from transferline.evaluation.corruptions import random_of
from transferline.params import Attack, CrossEntropy, Problem

Gradient = Callable[[Array, Array], Floats]


def loss_gradient(model: Any, problem: Problem) -> Gradient:
    """Returns the gradient of a Keras model's cross-entropy with respect to its image.

    It is computed from the logits, not from the probabilities, so that it does not vanish at high probabilities.

    Returns:
        A function of images (n, side, side, channels), 0 to 255, of any dtype, and targets as `EvaluationOfKind.truth`
        returns them. It returns float32 in the shape of the images.
    """
    import keras
    import tensorflow as tf

    from transferline.problems.training import training_of

    logits = keras.Model(model.inputs, model.get_layer("probabilities").input)
    # the same layers on a float input, because an integer input has no gradient
    pixels = keras.Input(model.input_shape[1:], dtype="float32")
    network = keras.models.clone_model(logits, input_tensors=[pixels], clone_function=lambda layer: layer)
    loss = training_of(problem).loss(CrossEntropy(kind="cross_entropy"))

    @tf.function(input_signature=[tf.TensorSpec(pixels.shape), tf.TensorSpec((None,) * len(model.output_shape))])
    def gradient(images: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(loss(targets, network(images, training=False)))
        return tape.gradient(total, images)

    return lambda images, targets: gradient(images.astype(np.float32), targets.astype(np.float32)).numpy()


def fgsm(images: Pixels, gradient: Callable[[Array], Floats], epsilon: int) -> Pixels:
    """Moves each pixel by ε along the sign of the gradient, in one step; see `attack`."""
    return _to_pixels(images + epsilon * np.sign(gradient(images)))


def pgd(images: Pixels, gradient: Callable[[Array], Floats], epsilon: int, steps: int, seed: int) -> Pixels:
    """Moves by 2.5 ε / `steps` along the sign of the gradient in each step, from a random start within ε.

    See `attack`.
    """
    low, high = np.maximum(images - float(epsilon), 0), np.minimum(images + float(epsilon), 255)
    start = [random_of(image, seed).uniform(-epsilon, epsilon, image.shape) for image in images]
    attacked = np.clip(images + np.stack(start), low, high)
    for _ in range(steps):
        attacked = np.clip(attacked + 2.5 * epsilon / steps * np.sign(gradient(attacked)), low, high)
    return _to_pixels(attacked)


def attack(
    images: Pixels, targets: Array, gradient: Gradient, name: Attack, epsilon: int, steps: int, seed: int
) -> Pixels:
    """Attacks images.

    Args:
        images: (n, side, side, channels).
        targets: the true classes or masks; for a targeted attack its goals, see `EvaluationOfKind`.
        gradient: the gradient of the model.
        name: which attack.
        epsilon: the largest change of a channel of a pixel, on the scale of 0 to 255; 0 returns the images unchanged.
        steps: the number of steps of `pgd`.
        seed: of the random start, which also depends on the image's pixels.

    Returns:
        Images of the same shape, at most ε from the originals, 0 to 255.
    """
    if epsilon == 0:
        return images
    direction = -1 if name.startswith("targeted") else 1

    def uphill(pixels: Array) -> Floats:
        return direction * gradient(pixels, targets)

    if name.endswith("fgsm"):
        return fgsm(images, uphill, epsilon)
    return pgd(images, uphill, epsilon, steps, seed)


def _to_pixels(values: Floats) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
