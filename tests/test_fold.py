import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from transferline.models.backbone_cut import InferenceMode
from transferline.training.folded_normalization import fold_in_step


def normalized(layer: layers.Layer, x: keras.KerasTensor, **settings: bool) -> keras.KerasTensor:
    return layers.BatchNormalization(**settings)(layer(x))


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Every kind of pair that can be folded, one that cannot (two readers), frozen layers, statistics that matter."""
    image = layers.Input((8, 8, 3))
    x = normalized(layers.Conv2D(6, 3, use_bias=False), image)
    x = layers.ReLU(6.0)(x)
    x = normalized(layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), x, scale=False)
    x = normalized(layers.SeparableConv2D(8, 2), x, center=False)
    x = normalized(layers.Conv2D(7, 1), x)
    x = normalized(layers.Conv2D(9, 1, 2, use_bias=False), x)
    shared = layers.Conv2D(8, 1)(x)
    x = layers.Add()([shared, layers.BatchNormalization()(shared)])
    x = normalized(layers.Dense(5), layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, x)
    random = np.random.default_rng(7)
    model.set_weights([random.uniform(0.2, 1.5, weight.shape) for weight in model.weights])
    for layer in model.layers[:3]:
        layer.trainable = False
    return model


def slopes(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(images, training=True) ** 2)
    weights = model.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    return {weight.path: gradient.numpy() for weight, gradient in zip(weights, gradients, strict=True)}


def test_folded_in_the_step_the_outputs_and_all_gradients_are_those_of_the_plain_layers(network):
    images = np.random.default_rng(3).uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32)
    image, statistics = keras.Input((8, 8, 3)), [weight.numpy() for weight in network.non_trainable_weights]
    plain = keras.Model(image, InferenceMode(network)(image))
    folded = keras.Model(image, InferenceMode(fold_in_step(network))(image))
    assert sum("folded" in layer.name for layer in folded.layers[1].model.layers) == 6
    np.testing.assert_allclose(folded(images), plain(images), rtol=1e-6 * 5)
    wanted, found = slopes(plain, images), slopes(folded, images)
    assert found.keys() == wanted.keys() and {id(w) for w in folded.variables} == {id(w) for w in plain.variables}
    for path, gradient in wanted.items():
        np.testing.assert_allclose(found[path], gradient, rtol=1e-4, atol=1e-6 * np.abs(gradient).max(), err_msg=path)
    kinds = {path.rpartition("/")[2] for path in wanted}
    assert kinds >= {"kernel", "depthwise_kernel", "pointwise_kernel", "gamma", "beta", "bias"} and found
    for before, weight in zip(statistics, network.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(weight, before)
