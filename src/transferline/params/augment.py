"""The section `augment`: how the views of training images are drawn."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from transferline.params.section import Section


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the first number must not be above the second, got [{limits[0]}, {limits[1]}]")
    return limits


Ordered = AfterValidator(_ordered)
Angle = Annotated[float, Field(ge=-180, le=180)]
Lean = Annotated[float, Field(ge=-60, le=60)]
Zoom = Annotated[float, Field(ge=0.1, le=10)]
Shift = Annotated[float, Field(ge=-1, le=1)]
Contrast = Annotated[float, Field(ge=0, le=10)]
Brightness = Annotated[float, Field(ge=-1, le=1)]
Angles = Annotated[tuple[Angle, Angle], Ordered]
Leans = Annotated[tuple[Lean, Lean], Ordered]
Zooms = Annotated[tuple[Zoom, Zoom], Ordered]
Shifts = Annotated[tuple[Shift, Shift], Ordered]
Contrasts = Annotated[tuple[Contrast, Contrast], Ordered]
Brightnesses = Annotated[tuple[Brightness, Brightness], Ordered]


class OwnAugmentation(Section):
    """An augmentation of your own, in a file of `own_augmentations/`."""

    function: Annotated[
        str,
        Field(
            pattern=r"^own_augmentations\.\w+:\w+$",
            description="the import path of a function, such as own_augmentations.example:solarize",
        ),
    ]
    range: Annotated[
        Annotated[tuple[float, float], Ordered],
        Field(description="the lowest and the highest value that it is given"),
    ]


def _each_once(listed: tuple[OwnAugmentation, ...]) -> tuple[OwnAugmentation, ...]:
    if twice := [name for name, count in Counter(one.function for one in listed).items() if count > 1]:
        raise ValueError(f"names a function twice: {', '.join(twice)}")
    return listed


class Augment(Section):
    """The ranges from which the parameters of a view are drawn, evenly.

    A flip must leave the label true. A mirrored cat is a cat; a mirrored digit, letter or traffic sign is none, or
    another one ("turn left" becomes "turn right").
    """

    seed: Annotated[int, Field(ge=0, description="fixes what is drawn")] = 7
    views: Annotated[int, Field(ge=0, le=64, description="augmented views per training image")] = 4
    horizontal_flip: Annotated[
        bool,
        Field(
            description="mirror left and right; true only where the label stays true, not for digits, letters, signs"
        ),
    ] = False
    vertical_flip: Annotated[bool, Field(description="mirror top and bottom")] = False
    rotation: Annotated[Angles, Field(description="degrees, counter-clockwise")] = (-10.0, 10.0)
    zoom: Annotated[Zooms, Field(description="a factor on the size of the content: 1.3 comes closer")] = (0.9, 1.1)
    shift_x: Annotated[Shifts, Field(description="to the right, in fractions of the width")] = (-0.05, 0.05)
    shift_y: Annotated[Shifts, Field(description="down, in fractions of the height")] = (-0.05, 0.05)
    shear: Annotated[Leans, Field(description="degrees by which uprights lean to the right")] = (0.0, 0.0)
    hue: Annotated[Angles, Field(description="degrees by which colours turn, from red to green")] = (0.0, 0.0)
    contrast: Annotated[Contrasts, Field(description="a factor around the image's mean")] = (0.8, 1.2)
    brightness: Annotated[Brightnesses, Field(description="fractions of 255 that are added")] = (-0.1, 0.1)
    fill: Annotated[
        Literal["reflect", "nearest", "constant"],
        Field(description="what is seen beyond the border: the mirrored image, its edge, or black"),
    ] = "reflect"
    own: Annotated[
        Annotated[tuple[OwnAugmentation, ...], AfterValidator(_each_once)],
        Field(description="augmentations of your own, see own_augmentations/__init__.py"),
    ] = ()
