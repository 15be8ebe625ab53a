"""The section `data`: the dataset, its labels and its splits."""

import re
from collections import Counter
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from transferline.params.layouts import ClassFolders, Layout, gives_several_labels, has_masks
from transferline.params.problem_kinds import KINDS
from transferline.params.section import Name, Problem, Section
from transferline.text import reason_of

Level = Annotated[int, Field(ge=0, le=255)]
MaskValue = Annotated[int, Field(ge=0, le=65_535)] | tuple[Level, Level, Level]


class Masks(Section):
    """The meaning of the values in a mask: numbers in a grey mask or one with a palette, or colours as [r, g, b]."""

    classes: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(min_length=2, max_length=255, description="the class names, in the order of values"),
    ]
    values: Annotated[
        tuple[MaskValue, ...] | None,
        Field(description="the value of each class, such as [0, 255], or its colour; null: 0, 1, and so on"),
    ] = None
    void: Annotated[
        MaskValue | None,
        Field(
            description="the value for pixels without a class; training and metrics ignore them; null: no such value"
        ),
    ] = 255

    @property
    def value_of_class(self) -> tuple[MaskValue, ...]:
        """The value of each class in the files."""
        return self.values or tuple(range(len(self.classes)))

    @model_validator(mode="after")
    def _classes_have_names_of_their_own(self) -> Self:
        if twice := [name for name, count in Counter(self.classes).items() if count > 1]:
            raise ValueError(f"classes names more than once: {', '.join(twice)}")
        if bar := [name for name in self.classes if "|" in name]:
            raise ValueError(
                f"the name of a class must not contain |, which separates names in the manifest: {', '.join(bar)}"
            )
        return self

    @model_validator(mode="after")
    def _each_value_means_one_thing(self) -> Self:
        values = self.value_of_class
        if len(values) != len(self.classes):
            raise ValueError(
                f"values has {len(values)} entries for {len(self.classes)} classes; give one for each class"
            )
        if twice := [str(value) for value, count in Counter(values).items() if count > 1]:
            raise ValueError(f"values has more than once: {', '.join(twice)}; each class needs a value of its own")
        if self.void in values:
            raise ValueError(
                f"void is {self.void}, which is the value of {self.classes[values.index(self.void)]}; if no pixel is "
                "without a class, set void to null; if the classes have other values, set values, such as [1, 2, 3]"
            )
        if len({isinstance(value, int) for value in (*values, self.void) if value is not None}) > 1:
            raise ValueError("values and void must be all numbers or all colours such as [255, 0, 0]; void can be null")
        return self


def _regular_expression(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {reason_of(error)}") from error
    if compiled.groups < 1:
        raise ValueError("needs a group in parentheses; its text is the name of an image's group")
    return pattern


class SplitParams(Section):
    """How images are split if the dataset does not define its splits.

    Splits are stratified by class. In multilabel problems and segmentation, they are stratified by the combination of
    classes. In each class, the hash of an image's content, or of its group, decides its split. When the dataset grows,
    an image can move between validation and another split, but never between train and test.
    """

    validation: Annotated[
        float,
        Field(gt=0, lt=1, description="fraction of images for validation; of train if the dataset has other splits"),
    ] = 0.2
    test: Annotated[
        float,
        Field(ge=0, lt=1, description="fraction of images for test; ignored if the dataset has splits"),
    ] = 0.15
    group: Annotated[
        Annotated[str, AfterValidator(_regular_expression)] | None,
        Field(description="regular expression for paths; images with the same text in its parentheses share a split"),
    ] = None

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation + self.test > 0.9:
            raise ValueError(
                f"validation + test is {self.validation + self.test:g}; at most 0.9 is allowed, the rest is for train"
            )
        return self


class Data(Section):
    """The dataset, the kind of problem, the layout of the files and the splits."""

    dataset: Annotated[Name, Field(description="the name of the dataset; its folder is data/raw/NAME")]
    problem: Annotated[
        Problem,
        Field(description="binary, multiclass: one label; multilabel: any number; segmentation: one for each pixel"),
    ]
    layout: Annotated[Layout, Field(description="how the dataset stores images and labels")] = ClassFolders(
        kind="class_folders"
    )
    split: Annotated[SplitParams, Field(description="how images are split if the dataset does not define splits")] = (
        SplitParams()
    )
    masks: Annotated[
        Masks | None, Field(description="the meaning of mask values, for segmentation; null for other problems")
    ] = None

    @model_validator(mode="after")
    def _layout_holds_such_labels(self) -> Self:
        kind = KINDS[self.problem]
        if has_masks(self.layout) != kind.has_masks:
            raise ValueError(
                f"problem is {self.problem}, but layout gives {'no masks' if kind.has_masks else 'masks'}; "
                "segmentation needs layout image_mask_folders, or voc with labels: masks; other problems need another "
                "layout"
            )
        if (self.masks is not None) != kind.has_masks:
            raise ValueError(
                "masks is missing: it names the classes of a segmentation problem"
                if kind.has_masks
                else f"masks is only for segmentation; leave it out for a {self.problem} problem"
            )
        several = gives_several_labels(self.layout)
        if several != kind.several_labels:
            raise ValueError(
                f"problem is {self.problem}, but layout gives {'any number of labels' if several else 'one label'} an "
                "image; multilabel needs layout voc, or csv with separator or label_columns; other problems need "
                "another layout"
            )
        return self
