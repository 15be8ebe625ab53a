"""Features of several depths of a backbone, side by side.

Source: U. Evci et al., Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning, ICML 2022.
"""

from typing import Any

import keras

SIZES = 4  # of feature maps, the smallest ones: in most backbones 1/4, 1/8, 1/16 and 1/32 of the image's side


def with_levels(backbone: keras.Model) -> keras.Model:
    """Returns a model that shares all layers of a backbone, and outputs the averages of its levels, (1, 1, values).

    The last level is the backbone's output. The others are the widest feature maps of the next larger sizes; of equally
    wide ones, the last. Maps as large as the image are no levels.

    Args:
        backbone: a functional model from (height, width, channels) to a feature map.
    """
    averages = [
        keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"level_{number}")(level)
        for number, level in enumerate(_levels(backbone), 1)
    ]
    output = keras.layers.Concatenate(name="levels")(averages) if len(averages) > 1 else averages[0]
    return keras.Model(backbone.input, output, name=backbone.name)


def _levels(backbone: keras.Model) -> list[Any]:
    """Returns the feature maps, from large to small."""
    last, widest = backbone.output, dict[int, Any]()
    for operation in backbone.operations:
        x = operation.output
        # Padding before a strided convolution makes a size of its own.
        if len(x.shape) != 4 or isinstance(operation, keras.layers.ZeroPadding2D):
            continue
        height = x.shape[1]
        if last.shape[1] < height < backbone.input.shape[1] and x.shape[-1] >= _channels(widest.get(height)):
            widest[height] = x
    nearest = sorted(widest)[: SIZES - 1]
    return [*(widest[height] for height in reversed(nearest)), last]


def _channels(level: Any) -> int:
    return 0 if level is None else int(level.shape[-1])
