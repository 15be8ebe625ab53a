"""The layers of a network as `params.yaml` lists them; the names and defaults are those of Keras."""

from typing import Annotated, Literal

from pydantic import Field

from transferline.params.section import Section

Count = Annotated[int, Field(ge=1)]
Activation = Literal["linear", "relu"]
Padding = Literal["valid", "same"]


class Conv(Section):
    """A convolution with `filters` kernels of `kernel` by `kernel` pixels."""

    kind: Literal["conv"]
    filters: Count
    kernel: Count
    strides: Count = 1
    padding: Padding = "valid"
    activation: Activation = "linear"


class Dense(Section):
    """A dense layer on a vector."""

    kind: Literal["dense"]
    units: Count
    activation: Activation = "linear"


class Pool(Section):
    """The maximum or the mean of each `size` by `size` pixels, without overlap."""

    kind: Literal["max_pool", "average_pool"]
    size: Count = 2
    padding: Padding = "valid"


class Dropout(Section):
    """Sets a fraction `rate` of the values to zero, in training only."""

    kind: Literal["dropout"]
    rate: Annotated[float, Field(ge=0, lt=1)]


class Rescale(Section):
    """Maps pixels of 0 to 255 to `low` to `high`."""

    kind: Literal["rescale"]
    low: float
    high: float


class Plain(Section):
    """A layer without settings: batch normalisation, ReLU, or from a feature map to a vector."""

    kind: Literal["batch_normalization", "relu", "flatten", "global_average_pool", "global_max_pool"]


Layer = Annotated[Conv | Dense | Pool | Dropout | Rescale | Plain, Field(discriminator="kind")]
