"""The section `data`: which images are trained on."""

import re
from collections import Counter
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from transferline.params.layouts import ClassFolders, Layout, gives_several_labels, has_masks
from transferline.params.problem_kinds import KINDS
from transferline.params.section import Name, Problem, Section


class Masks(Section):
    """What the values of a mask mean."""

    classes: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(min_length=2, max_length=255, description="the names of the values 0, 1, and so on"),
    ]
    void: Annotated[
        int, Field(ge=0, le=255, description="the value that means no class; it counts in no training and no metric")
    ] = 255

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

    An image's split follows from a hash of its content, or of its group, and never changes. Those of a multilabel
    problem are also stratified over the combinations of labels; there an image can move between validation and another
    split as the dataset grows, but never between train and test.
    """

    validation: Annotated[
        float,
        Field(gt=0, lt=1, description="the fraction for validation; of train, where the dataset brings a test split"),
    ] = 0.2
    test: Annotated[
        float,
        Field(ge=0, lt=1, description="the fraction for test; without meaning where the dataset brings a test split"),
    ] = 0.15
    group: Annotated[
        Annotated[str, AfterValidator(_regular_expression)] | None,
        Field(
            description="a regular expression; images whose paths have the same text in its parentheses stay together"
        ),
    ] = None

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation + self.test > 0.9:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; at most 0.9 leaves enough for train"
            )
        return self


class Data(Section):
    """Which dataset is trained on, its layout and what its labels mean."""

    dataset: Annotated[Name, Field(description="the name of the dataset, which is in data/raw/NAME")]
    problem: Annotated[
        Problem,
        Field(description="binary or multiclass: one label; multilabel: any number; segmentation: one for each pixel"),
    ]
    layout: Annotated[Layout, Field(description="where the labels of the images stand")] = ClassFolders(
        kind="class_folders"
    )
    split: Annotated[SplitParams, Field(description="how images are split where the dataset brings no split")] = (
        SplitParams()
    )
    masks: Annotated[
        Masks | None, Field(description="what the values of the masks of a segmentation problem mean; else null")
    ] = None

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
