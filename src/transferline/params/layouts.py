"""Where the labels of a dataset stand: the values of `data.layout`."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Section


class ClassFolders(Section):
    """One folder per class: `cats/1.jpg`."""

    kind: Literal["class_folders"]


class SplitClassFolders(Section):
    """One folder per split, and in it one per class: `TRAIN/cats/1.jpg`.

    `train`, `validation` and `test` are the folders' names; a validation split that the dataset
    does not bring (null) is cut from train.
    """

    kind: Literal["split_class_folders"]
    train: str
    validation: str | None
    test: str


class Csv(Section):
    """A table with one row per image: `file` in the dataset's folder, and the columns that hold the path and the label.

    A multilabel problem takes either `label_column` with the labels of an image between `separator`s, or
    `label_columns`, one for each class, which hold 0 or 1. `split_column` (or null) names a column that holds train,
    validation or test.
    """

    kind: Literal["csv"]
    file: str
    path_column: str
    label_column: str | None = None
    separator: Annotated[str, Field(min_length=1)] | None = None
    label_columns: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    split_column: str | None

    @model_validator(mode="after")
    def _one_kind_of_label(self) -> Self:
        if (self.label_column is None) == (self.label_columns is None):
            raise ValueError("give either label_column or label_columns")
        if self.separator is not None and self.label_column is None:
            raise ValueError("separator goes with label_column; leave it out for label_columns")
        columns = [self.path_column, self.label_column, self.split_column, *(self.label_columns or ())]
        if twice := [name for name, count in Counter(filter(None, columns)).items() if count > 1]:
            raise ValueError(f"a column is named more than once: {', '.join(twice)}")
        return self


class Voc(Section):
    """PASCAL VOC: `JPEGImages`, and the labels of an image in `Annotations/<name>.xml`, in
    `ImageSets/Main/<class>_<list>.txt` (1 present, -1 absent, 0 difficult, which counts as absent), or, for a
    segmentation problem, in the mask `SegmentationClass/<name>.png`.

    `train`, `validation` and `test` name the lists of the splits below `ImageSets`, such as `Main/train` or
    `Segmentation/train`; without any (all null) the splits are ours. Objects marked difficult do not count.
    """

    kind: Literal["voc"]
    labels: Literal["annotations", "image_sets", "masks"]
    train: str | None
    validation: str | None
    test: str | None

    @model_validator(mode="after")
    def _whole_or_no_splits(self) -> Self:
        if (self.train is None) != (self.test is None) or (self.train is None and self.validation is not None):
            raise ValueError("give lists for train and test, and for validation if there is one; or null for all three")
        return self


class ImageMaskFolders(Section):
    """A folder of images and one of masks, which are PNGs with the names of their images: `images/1.jpg` and
    `masks/1.png`."""

    kind: Literal["image_mask_folders"]
    images: str
    masks: str


Layout = Annotated[ClassFolders | SplitClassFolders | Csv | Voc | ImageMaskFolders, Field(discriminator="kind")]


def has_masks(layout: Layout) -> bool:
    """Whether a layout gives every pixel of an image a label."""
    return isinstance(layout, ImageMaskFolders) or (isinstance(layout, Voc) and layout.labels == "masks")


def gives_several_labels(layout: Layout) -> bool:
    """Whether a layout gives an image any number of labels, and not just one."""
    if has_masks(layout):
        return False
    return isinstance(layout, Voc) or (isinstance(layout, Csv) and bool(layout.separator or layout.label_columns))
