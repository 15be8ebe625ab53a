"""Where the labels of a dataset stand: the values of `data.layout`."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Section

Gives = Literal["label", "labels", "masks"]  # what an image has: one label, any number of them, or one for each pixel


class ClassFolders(Section):
    """One folder per class: `cats/1.jpg`."""

    kind: Annotated[Literal["class_folders"], Field(description="one folder per class, such as cats/1.jpg")]

    @property
    def gives(self) -> Gives:
        """The class folder."""
        return "label"


class SplitClassFolders(Section):
    """One folder per split, and in it one per class: `TRAIN/cats/1.jpg`."""

    kind: Annotated[
        Literal["split_class_folders"],
        Field(description="one folder per split, and in it one per class, such as TRAIN/cats/1.jpg"),
    ]
    train: Annotated[str, Field(description="the folder of the train split")] = "train"
    validation: Annotated[
        str | None, Field(description="the folder of the validation split; null: validation is cut from train")
    ] = None
    test: Annotated[str, Field(description="the folder of the test split")] = "test"

    @property
    def gives(self) -> Gives:
        """The class folder."""
        return "label"


class Csv(Section):
    """A table with one row per image."""

    kind: Annotated[Literal["csv"], Field(description="a table with one row per image")]
    file: Annotated[str, Field(description="the table's path in the dataset's folder")]
    path_column: Annotated[str, Field(description="the column with the path of the image, in the dataset's folder")]
    label_column: Annotated[
        str | None, Field(description="the column with the label; null where label_columns names several")
    ] = None
    separator: Annotated[
        Annotated[str, Field(min_length=1)] | None,
        Field(description="what stands between the labels in label_column, for a multilabel problem"),
    ] = None
    label_columns: Annotated[
        Annotated[tuple[str, ...], Field(min_length=2)] | None,
        Field(description="the columns of a multilabel problem, one for each class, which hold 0 or 1"),
    ] = None
    split_column: Annotated[
        str | None, Field(description="the column that holds train, validation or test; null: the splits are drawn")
    ] = None

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

    @property
    def gives(self) -> Gives:
        """One label, or several of them."""
        return "labels" if self.separator or self.label_columns else "label"


class Voc(Section):
    """PASCAL VOC, for multilabel and segmentation problems. Objects marked difficult do not count."""

    kind: Annotated[Literal["voc"], Field(description="PASCAL VOC, with the images in JPEGImages")]
    labels: Annotated[
        Literal["annotations", "image_sets", "masks"],
        Field(
            description="in Annotations/*.xml, in ImageSets/Main/CLASS_*.txt, or in the masks SegmentationClass/*.png"
        ),
    ] = "annotations"
    train: Annotated[
        str | None, Field(description="the list below ImageSets, such as Main/train; null for all: splits are drawn")
    ] = None
    validation: Annotated[
        str | None, Field(description="the list of the validation split; null: validation is cut from train")
    ] = None
    test: Annotated[str | None, Field(description="the list of the test split")] = None

    @model_validator(mode="after")
    def _whole_or_no_splits(self) -> Self:
        if (self.train is None) != (self.test is None) or (self.train is None and self.validation is not None):
            raise ValueError("give lists for train and test, and for validation if there is one; or null for all three")
        return self

    @property
    def gives(self) -> Gives:
        """The objects in an image, or a class for each pixel."""
        return "masks" if self.labels == "masks" else "labels"


class ImageMaskFolders(Section):
    """A folder of images and one of masks, for segmentation problems: `images/1.jpg` and `masks/1.png`."""

    kind: Annotated[
        Literal["image_mask_folders"], Field(description="a folder of images and one of masks, PNGs of the same names")
    ]
    images: Annotated[str, Field(description="the folder of the images")] = "images"
    masks: Annotated[str, Field(description="the folder of the masks")] = "masks"

    @property
    def gives(self) -> Gives:
        """A class for each pixel."""
        return "masks"


Layout = Annotated[ClassFolders | SplitClassFolders | Csv | Voc | ImageMaskFolders, Field(discriminator="kind")]


def has_masks(layout: Layout) -> bool:
    """Whether a layout gives every pixel of an image a label."""
    return layout.gives == "masks"


def gives_several_labels(layout: Layout) -> bool:
    """Whether a layout gives an image any number of labels, and not just one."""
    return layout.gives == "labels"
