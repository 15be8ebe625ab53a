import keras
import numpy as np
import pytest
from keras import layers

from transferline.errors import TransferlineError
from transferline.models.backbone_cut import InferenceMode, cut
from transferline.models.backbones import build_backbone
from transferline.params import Backbone, Image, Unfreeze


def conv(name: str, channels: int) -> layers.Layer:
    return layers.Conv2D(channels, 1, name=name)


def chain(*widths: int) -> keras.Model:
    """Convolutions a, b, c … one after the other, 4×4 pixels."""
    x = image = layers.Input((4, 4, 3), name="image")
    for name, channels in zip("abcdef", widths, strict=False):
        x = conv(name, channels)(x)
    return keras.Model(image, x)


def backbone(name: str, size: int) -> keras.Model:
    return build_backbone(
        Backbone(name=name, weights="none", pooling="avg", unfreeze=None),
        Image(size=size, color="rgb", resize="stretch"),
    )


def parameters(weights: list[keras.Variable]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_mobilenet_v2_from_layer_100_is_cut_at_one_narrow_tensor() -> None:
    model = backbone("mobilenet_v2", 160)
    assert len(model.layers) == 154
    parts = cut(model, Unfreeze(from_layer=100))
    assert parts.boundary == ("block_10_project_BN",)
    assert [tensor.shape for tensor in parts.frozen.outputs] == [(None, 10, 10, 96)]
    head = 1281
    assert parameters(parts.top.trainable_weights) + head == 1_862_721
    assert parameters(model.weights) + head == 2_259_265
    assert not parts.frozen.trainable_weights
    image = np.random.default_rng(0).uniform(-1, 1, (1, 160, 160, 3)).astype(np.float32)
    joined = parts.top(parts.frozen(image, training=False), training=False)
    np.testing.assert_array_equal(joined, model(image, training=False))


@pytest.mark.slow
def test_a_slightly_narrower_tensor_far_up_is_not_worth_computing_everything_again() -> None:
    """At 150 px the pooled stem of ResNet50 has 92,416 values, the output of its fourth stage 102,400."""
    assert cut(backbone("resnet50", 150), Unfreeze(from_layer="conv5_block1_1_conv")).boundary == ("conv4_block6_out",)


def test_the_boundary_is_the_narrowest_tensor_and_of_equal_ones_the_latest() -> None:
    assert cut(chain(16, 2, 16, 16), Unfreeze(from_layer="d")).boundary == ("b",)
    assert cut(chain(16, 8, 8, 16), Unfreeze(from_layer="d")).boundary == ("c",)


def test_the_input_is_taken_only_if_nothing_else_separates() -> None:
    assert cut(chain(64, 8), Unfreeze(from_layer="b")).boundary == ("a",)
    assert cut(chain(64, 8), Unfreeze(from_layer=0)).boundary == ("image",)


def test_paths_around_the_trainable_layers_are_cut_as_well() -> None:
    image = layers.Input((4, 4, 3))
    stem = conv("stem", 32)(image)
    narrow, skip = conv("narrow", 2)(stem), conv("skip", 4)(stem)
    trained = conv("trained", 4)(conv("wide", 64)(narrow))
    model = keras.Model(image, layers.Add(name="add")([skip, trained]))
    parts = cut(model, Unfreeze(from_layer="trained"))
    assert parts.boundary == ("narrow", "skip")
    assert [layer.name for layer in parts.trainable] == ["trained"]
    assert not model.get_layer("wide").trainable
    pixels = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    np.testing.assert_array_equal(parts.top(parts.frozen(pixels)), model(pixels))


def test_nothing_behind_a_trainable_layer_is_stored() -> None:
    image = layers.Input((4, 4, 3))
    stem = conv("stem", 64)(image)
    narrow = conv("narrow", 1)(layers.Add()([conv("trained", 64)(stem), stem]))
    model = keras.Model(image, conv("last", 4)(layers.Concatenate()([narrow, narrow])))
    model.get_layer("narrow").trainable = False
    assert cut(model, Unfreeze(from_layer="trained")).boundary == ("stem",)


def test_training_the_top_changes_the_unfrozen_weights_and_no_statistics() -> None:
    image = layers.Input((4, 4, 3))
    x = layers.BatchNormalization(name="frozen_bn")(conv("a", 4)(image))
    x = layers.BatchNormalization(name="trained_bn")(conv("b", 4)(x))
    model = keras.Model(image, x)
    parts = cut(model, Unfreeze(from_layer="b"))
    before = {layer.name: layer.get_weights() for layer in model.layers}
    boundary = layers.Input(parts.top.inputs[0].shape[1:])
    training = keras.Model(boundary, InferenceMode(parts.top)([boundary]))
    training.compile("sgd", "mse")
    training.fit(np.ones((8, 4, 4, 4)), np.ones((8, 4, 4, 4)), verbose=0)
    same = {
        layer.name: [np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights(), strict=True)]
        for layer in model.layers
    }
    assert same["a"] == [True, True] and same["frozen_bn"] == [True] * 4
    assert same["b"] == [False, False] and same["trained_bn"] == [False, False, True, True]


def test_without_unfreezing_everything_is_frozen() -> None:
    model = chain(4, 2)
    parts = cut(model, None)
    pixels = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    assert parts.boundary == ("b",) and not parts.trainable and not model.trainable_weights
    np.testing.assert_array_equal(parts.top(parts.frozen(pixels)), model(pixels))


@pytest.mark.parametrize(
    ("unfreeze", "message"),
    [
        (Unfreeze(from_layer="block_3_expant"), "no layer 'block_3_expant'; similar names are block_3_expand"),
        (Unfreeze(from_layer="zzz"), "its last layers are .*block_3_relu"),
        (Unfreeze(from_layer=3), "has 3 layers, so from_layer must be from 0 to 2"),
        (Unfreeze(last=4), "last from 1 to 3; got 4"),
        (Unfreeze(last=1), "no weights from layer block_3_relu on; .*the first one with weights is 2, block_3_expand"),
    ],
)
def test_a_layer_that_is_not_there_is_named(unfreeze: Unfreeze, message: str) -> None:
    image = layers.Input((4, 4, 3), name="image")
    output = layers.ReLU(name="block_3_relu")(conv("block_3_expand", 4)(image))
    with pytest.raises(TransferlineError, match=message):
        cut(keras.Model(image, output, name="small"), unfreeze)
