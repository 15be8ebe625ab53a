"""The section `validate`: the requirements for a dataset before training."""

from typing import Annotated, Literal

from pydantic import Field

from transferline.params.section import Fraction, Section, Severity

Format = Literal["JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF", "AVIF", "HEIF", "NPY"]
MAX_PIXELS = 200_000_000
Report = Literal["warn", "fail"]


class Rules(Section):
    """The severity of each rule: `quarantine` leaves the image out, `warn` reports it, `fail` stops the pipeline."""

    undecodable: Annotated[Severity, Field(description="an image that no decoder can read")] = "quarantine"
    empty_file: Annotated[Severity, Field(description="a file without content")] = "quarantine"
    not_an_image: Annotated[Severity, Field(description="a file whose name and content are not an image's")] = "warn"
    unlabelled: Annotated[
        Severity, Field(description="an image to which the layout gives no label or no split; it is left out")
    ] = "warn"
    truncated: Annotated[Severity, Field(description="an image whose end is missing")] = "quarantine"
    too_small: Annotated[Severity, Field(description="a side is below min_side")] = "quarantine"
    too_large: Annotated[Severity, Field(description="a side is above max_side, or more pixels than max_pixels")] = (
        "quarantine"
    )
    format: Annotated[Severity, Field(description="an image whose format is not in formats")] = "quarantine"
    extension: Annotated[Severity, Field(description="a file whose extension does not match its format")] = "warn"
    blank: Annotated[Severity, Field(description="an image of nearly one colour, see blank_std")] = "warn"
    duplicate: Annotated[Severity, Field(description="the same bytes as another image of the same label")] = (
        "quarantine"
    )
    label_conflict: Annotated[Severity, Field(description="the same bytes as an image of another label")] = "quarantine"
    split_duplicate: Annotated[Severity, Field(description="the same bytes as an image in another split")] = (
        "quarantine"
    )
    near_duplicate: Annotated[
        Severity, Field(description="nearly the same image as another one, see near_duplicate_bits")
    ] = "quarantine"
    former_test_image: Annotated[Severity, Field(description="an image in train on which a champion was tested")] = (
        "fail"
    )
    unmatched_correction: Annotated[
        Report, Field(description="a row of data/corrections/DATASET.csv that no image matches")
    ] = "warn"
    few_images: Annotated[
        Report,
        Field(description="a class with fewer than min_images images in train; in validation and test it only warns"),
    ] = "fail"
    imbalance: Annotated[
        Report, Field(description="the largest class is more than max_imbalance times the smallest one")
    ] = "warn"
    empty_class: Annotated[Report, Field(description="a class without images")] = "warn"
    similar_classes: Annotated[
        Report, Field(description="two class names that differ only in blanks, case or Unicode form")
    ] = "warn"
    unreadable: Annotated[Severity, Field(description="a file that cannot be opened")] = "quarantine"
    hidden: Annotated[Report, Field(description="a hidden file, which is ignored")] = "warn"
    mask_missing: Annotated[Severity, Field(description="a mask that is missing or cannot be read (segmentation)")] = (
        "quarantine"
    )
    mask_size: Annotated[Severity, Field(description="a mask whose size differs from its image's")] = "quarantine"
    mask_values: Annotated[Severity, Field(description="a mask with values that are neither a class nor void")] = (
        "quarantine"
    )
    mask_orientation: Annotated[
        Severity, Field(description="a mask that is perhaps not upright, because EXIF turns only its image")
    ] = "warn"
    mask_empty: Annotated[
        Severity, Field(description="a mask with only void, or only void and a class named background")
    ] = "quarantine"


class Validate(Section):
    """The requirements for a dataset before training."""

    formats: Annotated[tuple[Format, ...], Field(min_length=1, description="the allowed formats of images")] = (
        "JPEG",
        "PNG",
        "BMP",
        "GIF",
        "WEBP",
        "PPM",
        "TIFF",
        "AVIF",
        "HEIF",
        "NPY",
    )
    min_side: Annotated[int, Field(ge=1, description="the least height and width in pixels")] = 8
    max_side: Annotated[int, Field(ge=1, le=30_000, description="the largest height and width in pixels")] = 20_000
    max_pixels: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000_000,
            description="the largest width times height, for all commands; a model keeps it for predictions",
        ),
    ] = MAX_PIXELS
    blank_std: Annotated[
        float,
        Field(ge=0, le=128, description="an image is blank below this standard deviation of luminance (0 to 255)"),
    ] = 5.0
    near_duplicate_bits: Annotated[
        int,
        Field(
            ge=0,
            le=64,
            description="images are near duplicates if at most this many of the 256 bits of their hashes differ",
        ),
    ] = 10
    min_images: Annotated[int, Field(ge=1, description="the least number of images of a class in a split")] = 5
    max_imbalance: Annotated[
        float, Field(ge=1, description="how many times larger the largest class may be than the smallest")
    ] = 20.0
    max_quarantined: Annotated[Fraction, Field(description="the largest allowed fraction of quarantined images")] = 0.05
    rules: Annotated[
        Rules,
        Field(description="severity of each rule: quarantine leaves images out, warn reports, fail stops the pipeline"),
    ] = Rules()
