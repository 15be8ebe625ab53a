"""The layouts of a dataset, which are the values of `data.layout`: how it stores images and labels."""

from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from transferline.params.section import Section

# A folder in the dataset's folder. A slash at its end, as the shell adds it, and ./ at its start change nothing.
FolderName = Annotated[str, AfterValidator(lambda name: PurePosixPath(name).as_posix())]
Gives = Literal["label", "labels", "masks"]  # an image has one label, any number of labels, or one for each pixel


class ClassFolders(Section):
    """One folder per class: `cats/1.jpg`."""

    kind: Annotated[Literal["class_folders"], Field(description="one folder per class, such as cats/1.jpg")]

    @property
    def gives(self) -> Gives:
        """One label per image: its class folder."""
        return "label"


class SplitClassFolders(Section):
    """One folder per split, which contains one folder per class: `TRAIN/cats/1.jpg`."""

    kind: Annotated[
        Literal["split_class_folders"],
        Field(description="one folder per split, which contains one folder per class, such as TRAIN/cats/1.jpg"),
    ]
    train: Annotated[FolderName, Field(description="the folder of the train split")] = "train"
    validation: Annotated[
        FolderName | None, Field(description="the folder of the validation split; null: it is split off from train")
    ] = None
    test: Annotated[FolderName, Field(description="the folder of the test split")] = "test"

    @property
    def gives(self) -> Gives:
        """One label per image: its class folder."""
        return "label"


class SplitTable(Section):
    """The table of one split."""

    file: Annotated[str, Field(description="the table's path in the dataset's folder")]
    folder: Annotated[
        str | None, Field(description="the folder that the paths in this table lack; null: they are complete")
    ] = None


class Csv(Section):
    """A table with one row per image, or one such table per split."""

    kind: Annotated[Literal["csv"], Field(description="a table with one row per image, or one such table per split")]
    file: Annotated[
        str | None, Field(description="the table's path in the dataset's folder; null if train and test name tables")
    ] = None
    train: Annotated[SplitTable | None, Field(description="the table of the train split, instead of file")] = None
    validation: Annotated[
        SplitTable | None, Field(description="the table of the validation split; null: it is split off from train")
    ] = None
    test: Annotated[SplitTable | None, Field(description="the table of the test split")] = None
    path_column: Annotated[str, Field(description="the column with the image's path in the dataset's folder")]
    folder: Annotated[
        str | None, Field(description="the folder that the paths lack, such as train_images; null: they are complete")
    ] = None
    suffix: Annotated[
        str | None, Field(description="the suffix that the paths lack, such as .jpg; null: they are complete")
    ] = None
    label_column: Annotated[
        str | None, Field(description="the column with the label; null if label_columns is given")
    ] = None
    separator: Annotated[
        Annotated[str, Field(min_length=1)] | None,
        Field(description="the text between the labels in label_column, for a multilabel problem"),
    ] = None
    label_columns: Annotated[
        Annotated[tuple[str, ...], Field(min_length=2)] | None,
        Field(description="for a multilabel problem: one column per class, with 0 or 1"),
    ] = None
    split_column: Annotated[
        str | None,
        Field(
            description="the column with train, validation or test (without test, validation is test); null: "
            "data.split decides"
        ),
    ] = None

    @model_validator(mode="after")
    def _one_kind_of_label(self) -> Self:
        if (self.label_column is None) == (self.label_columns is None):
            raise ValueError("give either label_column or label_columns")
        if self.separator is not None and self.label_column is None:
            raise ValueError("separator is for label_column; leave it out for label_columns")
        columns = [self.path_column, self.label_column, self.split_column, *(self.label_columns or ())]
        if twice := [name for name, count in Counter(filter(None, columns)).items() if count > 1]:
            raise ValueError(f"a column is named more than once: {', '.join(twice)}; name each column once")
        return self

    @model_validator(mode="after")
    def _one_table_or_one_per_split(self) -> Self:
        of_splits = (self.train, self.validation, self.test)
        if (self.file is None) == (of_splits == (None, None, None)):
            raise ValueError("give either file, or tables of the splits in train and test")
        if self.file is None and (self.train is None or self.test is None):
            raise ValueError("give tables for train and test, optionally for validation")
        if self.file is None and (self.folder or self.split_column):
            raise ValueError("with a table per split, leave out split_column, and give each table its folder")
        return self

    @property
    def gives(self) -> Gives:
        """One label per image, or any number of labels with `separator` or `label_columns`."""
        return "labels" if self.separator or self.label_columns else "label"


class Voc(Section):
    """PASCAL VOC, for multilabel and segmentation problems. Objects marked as difficult are ignored."""

    kind: Annotated[Literal["voc"], Field(description="PASCAL VOC, with the images in JPEGImages")]
    labels: Annotated[
        Literal["annotations", "image_sets", "masks"],
        Field(
            description="from Annotations/*.xml, ImageSets/Main/CLASS_*.txt, or the masks in SegmentationClass/*.png"
        ),
    ] = "annotations"
    train: Annotated[
        str | None,
        Field(description="train's list in ImageSets, such as Main/train; null for all lists: data.split decides"),
    ] = None
    validation: Annotated[
        str | None, Field(description="the list of the validation split; null: it is split off from train")
    ] = None
    test: Annotated[str | None, Field(description="the list of the test split")] = None

    @model_validator(mode="after")
    def _whole_or_no_splits(self) -> Self:
        if (self.train is None) != (self.test is None) or (self.train is None and self.validation is not None):
            raise ValueError("give lists for train and test, optionally for validation; or null for all three")
        return self

    @property
    def gives(self) -> Gives:
        """Any number of labels per image (its objects), or one for each pixel with `labels: masks`."""
        return "masks" if self.labels == "masks" else "labels"


class ImageMaskFolders(Section):
    """A folder of images and one of masks, for segmentation problems: `images/1.jpg` and `masks/1.png`."""

    kind: Annotated[
        Literal["image_mask_folders"],
        Field(description="a folder of images and one of masks, such as images/1.jpg and masks/1.png"),
    ]
    images: Annotated[FolderName, Field(description="the folder of the images")] = "images"
    masks: Annotated[FolderName, Field(description="the folder of the masks")] = "masks"
    mask_suffix: Annotated[
        str,
        Field(description="what a mask's name adds to its image's name, such as _mask for 1.jpg and 1_mask.png"),
    ] = ""

    @property
    def gives(self) -> Gives:
        """One label for each pixel."""
        return "masks"


Layout = Annotated[ClassFolders | SplitClassFolders | Csv | Voc | ImageMaskFolders, Field(discriminator="kind")]


def has_masks(layout: Layout) -> bool:
    """Returns whether a layout gives every pixel of an image a label."""
    return layout.gives == "masks"


def gives_several_labels(layout: Layout) -> bool:
    """Returns whether a layout gives an image any number of labels instead of exactly one."""
    return layout.gives == "labels"
