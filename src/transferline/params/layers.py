"""The layers of a network that `params.yaml` can list, with the names and defaults of Keras."""

from typing import Annotated, Literal

from pydantic import Field

from transferline.params.section import Section

Count = Annotated[int, Field(ge=1)]
Activation = Annotated[Literal["linear", "relu"], Field(description="the activation function; linear: none")]
Padding = Annotated[
    Literal["valid", "same"],
    Field(description="same adds zeros around the map so that it keeps its size; valid adds none"),
]


class Conv(Section):
    """A convolution."""

    kind: Annotated[Literal["conv"], Field(description="a convolution")]
    filters: Annotated[Count, Field(description="the number of kernels, which is the number of output channels")]
    kernel: Annotated[Count, Field(description="height and width of a kernel in pixels")]
    strides: Annotated[Count, Field(description="the step of the kernel in pixels")] = 1
    padding: Padding = "valid"
    activation: Activation = "linear"


class Dense(Section):
    """A dense layer on a vector."""

    kind: Annotated[Literal["dense"], Field(description="a dense layer on a vector")]
    units: Annotated[Count, Field(description="the length of the output vector")]
    activation: Activation = "linear"


class Pool(Section):
    """The maximum or the mean of squares of pixels, without overlap."""

    kind: Annotated[
        Literal["max_pool", "average_pool"],
        Field(description="the maximum or the mean of each square of pixels, without overlap"),
    ]
    size: Annotated[Count, Field(description="height and width of a square in pixels")] = 2
    padding: Padding = "valid"


class Dropout(Section):
    """Sets some of the values to zero, in training only."""

    kind: Annotated[Literal["dropout"], Field(description="sets some of the values to zero, in training only")]
    rate: Annotated[float, Field(ge=0, lt=1, description="the fraction of the values")]


class Rescale(Section):
    """Maps pixel values from 0 to 255 to another range."""

    kind: Annotated[Literal["rescale"], Field(description="maps pixel values from 0 to 255 to the range low to high")]
    low: Annotated[float, Field(description="the new value of 0")]
    high: Annotated[float, Field(description="the new value of 255")]


class Plain(Section):
    """A layer without settings."""

    kind: Annotated[
        Literal["batch_normalization", "relu", "flatten", "global_average_pool", "global_max_pool"],
        Field(description="a layer without settings; the last three turn a feature map into a vector"),
    ]


Layer = Annotated[Conv | Dense | Pool | Dropout | Rescale | Plain, Field(discriminator="kind")]
