"""Features of several depths of a backbone, side by side.

Source: U. Evci et al., Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning, ICML 2022.
"""

from typing import Any

import keras

from transferline.errors import TransferlineError

SIZES = 4  # of feature maps, the smallest ones: in most backbones 1/4, 1/8, 1/16 and 1/32 of the image's side


def with_levels(backbone: keras.Model) -> keras.Model:
    """Returns a model that shares all layers of a backbone, and outputs the averages of its levels, (1, 1, values).

    The last level is the backbone's output. The others are the widest feature maps of the next larger sizes; of equally
    wide ones, the last. Maps as large as the image are no levels.

    Args:
        backbone: a functional model from (height, width, channels) to a feature map.

    Raises:
        TransferlineError: the backbone contains another model.
    """
    averages = [
        keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"level_{number}")(level)
        for number, level in enumerate(_levels(backbone), 1)
    ]
    output = keras.layers.Concatenate(name="levels")(averages) if len(averages) > 1 else averages[0]
    return keras.Model(backbone.input, output, name=backbone.name)


def _levels(backbone: keras.Model) -> list[Any]:
    """Returns the feature maps, from large to small."""
    if any(isinstance(each, keras.Model) for each in backbone.operations):
        raise TransferlineError(
            f"backbone.pooling: levels cannot read the layers of a model inside {backbone.name}; build the backbone "
            "from the layers themselves, or set pooling to avg"
        )
    last, widest = backbone.output, dict[int, Any]()
    # Padding before a strided convolution makes a size of its own.
    operations = (each for each in backbone.operations if not isinstance(each, keras.layers.ZeroPadding2D))
    for x in keras.tree.flatten([operation.output for operation in operations]):
        if len(x.shape) != 4 or not last.shape[1] < x.shape[1] < backbone.input.shape[1]:
            continue
        if x.shape[-1] >= _channels(widest.get(x.shape[1])):
            widest[x.shape[1]] = x
    nearest = sorted(widest)[: SIZES - 1]
    return [*(widest[height] for height in reversed(nearest)), last]


def _channels(level: Any) -> int:
    return 0 if level is None else int(level.shape[-1])
