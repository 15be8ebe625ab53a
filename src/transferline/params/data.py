"""The sections about images: `data`, `validate` and `augment`."""

import re
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from transferline.params.layouts import Layout, gives_several_labels, has_masks
from transferline.params.problem_kinds import KINDS
from transferline.params.section import Fraction, Name, Problem, Section, Severity


class Masks(Section):
    """What the values of a mask mean: value 0 is the first of `classes`, and so on; `void` is no class, and pixels with
    it count neither in training nor in figures."""

    classes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=2, max_length=255)]
    void: Annotated[int, Field(ge=0, le=255)] = 255

    @model_validator(mode="after")
    def _each_value_means_one_thing(self) -> Self:
        if twice := [name for name, count in Counter(self.classes).items() if count > 1]:
            raise ValueError(f"classes names more than once: {', '.join(twice)}")
        if bar := [name for name in self.classes if "|" in name]:
            raise ValueError(f"the manifest sets | between the names of classes, so none may hold it: {', '.join(bar)}")
        if self.void < len(self.classes):
            raise ValueError(
                f"void is {self.void}, which is the value of {self.classes[self.void]}; the {len(self.classes)} "
                f"classes have the values 0 to {len(self.classes) - 1}"
            )
        return self


def _regular_expression(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if compiled.groups < 1:
        raise ValueError("needs a group in parentheses, whose text is the group's name")
    return pattern


class SplitParams(Section):
    """How images are split where the dataset brings no split of its own.

    An image's split follows from a hash of its content, or of its `group`: the text that the parentheses of a
    regular expression match in its path (`^([^/]+/\\d+)_` keeps the frames of one track together), and never changes.
    Those of a multilabel problem are also stratified over the combinations of labels; there an image can move between
    validation and another split as the dataset grows, but never between train and test.

    Where the dataset brings its own splits they stay: `test` has no meaning, and `validation` is the fraction that is
    cut from train if there is no validation split.
    """

    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(ge=0, lt=1)]
    group: Annotated[str, AfterValidator(_regular_expression)] | None

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation + self.test > 0.9:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; at most 0.9 leaves enough for train"
            )
        return self


class Data(Section):
    """Which dataset is trained on: the folder `data/raw/<dataset>`, its layout and what its labels mean; `masks` only
    for a segmentation problem."""

    dataset: Name
    problem: Problem
    layout: Layout
    split: SplitParams
    masks: Masks | None = None

    @model_validator(mode="after")
    def _layout_holds_such_labels(self) -> Self:
        kind = KINDS[self.problem]
        if has_masks(self.layout) != kind.has_masks:
            raise ValueError(
                f"problem is {self.problem}, but layout gives {'no masks' if kind.has_masks else 'masks'}; "
                "segmentation goes with image_mask_folders, or with voc and labels: masks"
            )
        if (self.masks is not None) != kind.has_masks:
            raise ValueError(
                "masks, which names the classes of a segmentation problem, "
                + ("is missing" if kind.has_masks else f"means nothing for a {self.problem} problem: leave it out")
            )
        several = gives_several_labels(self.layout)
        if several != kind.several_labels:
            raise ValueError(
                f"problem is {self.problem}, but layout gives {'any number of labels' if several else 'one label'} an "
                "image; multilabel goes with voc, or with csv and a separator or label_columns"
            )
        return self


class Rules(Section):
    """The severity of each rule.

    `quarantine` leaves the image out, `warn` reports it, `fail` stops the line. `unmatched_correction` is a row of
    `data/corrections/<dataset>.csv` that no image matches. Of the masks of a segmentation problem: `mask_missing` is
    one that is not there or cannot be read, `mask_size` has another size than its image, `mask_values` holds values
    that are neither a class nor void, `mask_empty` holds nothing but void, or but void and a class called background.
    """

    undecodable: Severity
    empty_file: Severity
    not_an_image: Severity
    unlabelled: Severity = "warn"
    truncated: Severity
    too_small: Severity
    too_large: Severity
    format: Severity
    extension: Severity
    blank: Severity
    duplicate: Severity
    label_conflict: Severity
    split_duplicate: Severity
    near_duplicate: Severity
    former_test_image: Severity = "fail"
    unmatched_correction: Literal["warn", "fail"] = "warn"
    few_images: Literal["warn", "fail"]
    imbalance: Literal["warn", "fail"]
    empty_class: Literal["warn", "fail"]
    unreadable: Severity
    hidden: Literal["warn", "fail"]
    mask_missing: Severity = "quarantine"
    mask_size: Severity = "quarantine"
    mask_values: Severity = "quarantine"
    mask_empty: Severity = "quarantine"


Format = Literal["JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF"]


class Validate(Section):
    """What a dataset must be like to be trained on.

    `min_side` and `max_side` in pixels, `blank_std` is the standard deviation of luminance (0 to 255) below which an
    image counts as nearly blank, `near_duplicate_bits` the number of differing bits (of 256) of the perceptual hash up
    to which two images count as nearly the same, `min_images` the least number of images of a class in a split,
    `max_imbalance` the largest class over the smallest, `max_quarantined` the accepted fraction of faulty files.
    """

    formats: Annotated[tuple[Format, ...], Field(min_length=1)]
    min_side: Annotated[int, Field(ge=1)]
    max_side: Annotated[int, Field(ge=1, le=30_000)]
    blank_std: Annotated[float, Field(ge=0, le=128)]
    near_duplicate_bits: Annotated[int, Field(ge=0, le=64)]
    min_images: Annotated[int, Field(ge=1)]
    max_imbalance: Annotated[float, Field(ge=1)]
    max_quarantined: Fraction
    rules: Rules


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


class Augment(Section):
    """The ranges from which the parameters of a view are drawn, evenly, from `seed`.

    `views`: augmented views per training image. `rotation` in degrees, counter-clockwise, `zoom` as a factor on the
    size of the content (1.3 comes closer), `shift_x` and `shift_y` in fractions of the width and height, to the right
    and down, `shear` in degrees by which uprights lean to the right, `contrast` as a factor around the image's mean,
    `brightness` in fractions of 255 that are added. `fill` says what is seen beyond the border: the mirrored image,
    its edge, or black.

    A flip must leave the label true. A mirrored cat is a cat; a mirrored digit, letter or traffic sign is none, or
    another one ("turn left" becomes "turn right"): leave `horizontal_flip` false there.
    """

    seed: Annotated[int, Field(ge=0)]
    views: Annotated[int, Field(ge=0, le=64)]
    horizontal_flip: bool
    vertical_flip: bool
    rotation: Annotated[tuple[Angle, Angle], Ordered]
    zoom: Annotated[tuple[Zoom, Zoom], Ordered]
    shift_x: Annotated[tuple[Shift, Shift], Ordered]
    shift_y: Annotated[tuple[Shift, Shift], Ordered]
    shear: Annotated[tuple[Lean, Lean], Ordered]
    contrast: Annotated[tuple[Contrast, Contrast], Ordered]
    brightness: Annotated[tuple[Brightness, Brightness], Ordered]
    fill: Literal["reflect", "nearest", "constant"]
