"""The section `augment`: how the parameters of the training images' views are drawn."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from transferline.params.section import Section


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the first number must not exceed the second, got [{limits[0]}, {limits[1]}]")
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
    """Your own augmentation, in a file in `own_augmentations/`."""

    function: Annotated[
        str,
        Field(
            pattern=r"^own_augmentations\.\w+:\w+$",
            description="the import path of a function, such as own_augmentations.example:solarize",
        ),
    ]
    range: Annotated[
        Annotated[tuple[float, float], Ordered],
        Field(description="the lowest and the highest value that the function gets"),
    ]


def _each_once(listed: tuple[OwnAugmentation, ...]) -> tuple[OwnAugmentation, ...]:
    if twice := [name for name, count in Counter(one.function for one in listed).items() if count > 1]:
        raise ValueError(f"names a function more than once: {', '.join(twice)}; list each function once")
    return listed


class Augment(Section):
    """The ranges from which the parameters of a view are drawn, uniformly.

    Use a flip only if the label stays correct. A mirrored cat is a cat. A mirrored digit, letter or traffic sign is no
    longer one or means something else: "turn left" becomes "turn right".
    """

    seed: Annotated[int, Field(ge=0, description="the random seed of the views")] = 7
    views: Annotated[int, Field(ge=0, le=64, description="augmented views per training image")] = 4
    horizontal_flip: Annotated[
        bool,
        Field(description="mirror left and right; only if labels stay correct: not for digits, letters, traffic signs"),
    ] = False
    vertical_flip: Annotated[bool, Field(description="mirror top and bottom")] = False
    rotation: Annotated[Angles, Field(description="degrees, counter-clockwise")] = (-10.0, 10.0)
    zoom: Annotated[Zooms, Field(description="factor for the size of the content; 1.3 enlarges it")] = (0.9, 1.1)
    shift_x: Annotated[Shifts, Field(description="shift to the right, as a fraction of the width")] = (-0.05, 0.05)
    shift_y: Annotated[Shifts, Field(description="shift down, as a fraction of the height")] = (-0.05, 0.05)
    shear: Annotated[Leans, Field(description="degrees by which vertical lines lean to the right")] = (0.0, 0.0)
    hue: Annotated[Angles, Field(description="rotation of the hue in degrees, from red towards green")] = (0.0, 0.0)
    contrast: Annotated[Contrasts, Field(description="factor for differences from the image's mean")] = (0.8, 1.2)
    brightness: Annotated[Brightnesses, Field(description="added to each pixel, as a fraction of 255")] = (-0.1, 0.1)
    fill: Annotated[
        Literal["reflect", "nearest", "constant"],
        Field(description="what fills the area outside the image: the mirrored image, its edge pixels, or black"),
    ] = "reflect"
    own: Annotated[
        Annotated[tuple[OwnAugmentation, ...], AfterValidator(_each_once)],
        Field(description="your own augmentations, see own_augmentations/__init__.py"),
    ] = ()
