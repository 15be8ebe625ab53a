"""The whole of `params.yaml`, typed: every key, what it means, its unit and what is allowed."""

import difflib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from transferline.errors import TransferlineError
from transferline.models.catalog import BACKBONES, WITH_ALPHA

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Split = Literal["train", "validation", "test"]
Severity = Literal["quarantine", "warn", "fail"]
Views = Literal["untouched", "flipped", "augmented"]


class Section(BaseModel):
    """A part of `params.yaml`: frozen, strict, and without keys that nobody reads."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the first number must not be above the second, got [{limits[0]}, {limits[1]}]")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


def _positive(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] <= 0:
        raise ValueError(f"both numbers must be above 0, got [{limits[0]}, {limits[1]}]")
    return limits


PositiveRange = Annotated[Range, AfterValidator(_positive)]


# ---------------------------------------------------------------- data


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
    """A table with one row per image: `file` in the dataset's folder, the columns that hold the path and the label.

    `split_column` (or null) names a column that holds train, validation or test.
    """

    kind: Literal["csv"]
    file: str
    path_column: str
    label_column: str
    split_column: str | None


Layout = Annotated[ClassFolders | SplitClassFolders | Csv, Field(discriminator="kind")]


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
    regular expression match in its path (`^([^/]+/\\d+)_` keeps the frames of one track together).
    """

    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(ge=0, lt=1)]
    group: Annotated[str, AfterValidator(_regular_expression)] | None

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation + self.test > 0.9:
            raise ValueError(f"validation + test is {self.validation + self.test:g}; at most 0.9 leaves enough for train")
        return self


class Data(Section):
    """Which dataset is trained on: the folder `data/raw/<dataset>`, its layout and what its labels mean."""

    dataset: Name
    problem: Literal["binary", "multiclass"]
    layout: Layout
    split: SplitParams


# ---------------------------------------------------------------- validate


class Rules(Section):
    """The severity of each rule.

    `quarantine` leaves the image out, `warn` reports it, `fail` stops the line.
    """

    undecodable: Severity
    empty_file: Severity
    not_an_image: Severity
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
    few_images: Literal["warn", "fail"]
    imbalance: Literal["warn", "fail"]
    empty_class: Literal["warn", "fail"]
    unreadable: Severity
    hidden: Literal["warn", "fail"]


Format = Literal["JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF"]


class Validate(Section):
    """What a dataset must be like to be trained on.

    `min_side` and `max_side` in pixels, `blank_std` is the standard deviation of luminance (0 to 255) below which an
    image counts as nearly blank, `near_duplicate_bits` the number of differing bits (of 256) of the perceptual hash up
    to which two images count as nearly the same, `min_images` the least number of images of a class in a split,
    `max_imbalance` the largest class over the smallest, `max_quarantined` the fraction of faulty files that is accepted.
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


# ---------------------------------------------------------------- augment


class Augment(Section):
    """The ranges from which the parameters of a view are drawn, evenly, from `seed`.

    `views`: augmented views per training image. `rotation` and `shear` in degrees, `zoom` as a factor on the size of
    the content (1.3 comes closer), `shift_x` and `shift_y` in fractions of the width and height, `contrast` as a
    factor around the image's mean, `brightness` in fractions of 255 that are added. `fill` says what is seen beyond
    the border.
    """

    seed: Annotated[int, Field(ge=0)]
    views: Annotated[int, Field(ge=0, le=64)]
    horizontal_flip: bool
    vertical_flip: bool
    rotation: Annotated[Range, Field(description="degrees")]
    zoom: PositiveRange
    shift_x: Range
    shift_y: Range
    shear: Range
    contrast: Range
    brightness: Range
    fill: Literal["reflect", "nearest", "constant"]


# ---------------------------------------------------------------- candidates


class Image(Section):
    """What a candidate sees: `size` pixels in height and width, colour mode, and how an image is brought to that size.

    `stretch` ignores the aspect ratio, `pad` adds black borders, `crop` cuts the centre.
    """

    size: Annotated[int, Field(ge=32, le=512)]
    color: Literal["rgb", "grayscale"]
    resize: Literal["stretch", "pad", "crop"]


class WeightsFile(Section):
    """Weights from a file, with the sha256 that it must have."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Unfreeze(Section):
    """What fine-tuning trains: the layers from `from_layer` on (its index in the backbone, or its name), or the `last` n."""

    from_layer: Annotated[int, Field(ge=0)] | str | None = None
    last: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.from_layer is None) == (self.last is None):
            raise ValueError("give either from_layer or last")
        return self


def _known_backbone(name: str) -> str:
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"there is no such backbone; {hint}allowed are {', '.join(sorted(BACKBONES))}")
    return name


class Backbone(Section):
    """A pretrained network without its top: its name, `alpha` (width, MobileNets only), weights, and what fine-tuning
    unfreezes (null: nothing)."""

    name: Annotated[str, AfterValidator(_known_backbone)]
    alpha: Annotated[float, Field(gt=0)] | None = None
    weights: Literal["imagenet", "none"] | WeightsFile
    unfreeze: Unfreeze | None

    @model_validator(mode="after")
    def _alpha_where_it_means_something(self) -> Self:
        if self.alpha is not None and self.name not in WITH_ALPHA:
            raise ValueError(f"alpha is for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class Extract(Section):
    """Which views go through the frozen layers, and the number format of the bank.

    `head_views` feed train_head, `fine_tune_views` feed fine_tune. `untouched` is the image itself, `flipped` adds the
    flips that `augment` allows, `augmented` takes the image itself and the augmented views.
    """

    head_views: Views
    fine_tune_views: Views
    dtype: Literal["float16", "float32"]


class Head(Section):
    """The layers on top: pooling of the feature map, hidden layers of that many units (ReLU), dropout before each
    dense layer, logits."""

    pooling: Literal["avg", "max"]
    hidden: tuple[Annotated[int, Field(ge=1)], ...]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Adam(Section):
    """Adam; `learning_rate` per step."""

    name: Literal["adam"]
    learning_rate: Annotated[float, Field(gt=0)]


class RmsProp(Section):
    """RMSprop with momentum (0 for none)."""

    name: Literal["rmsprop"]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Sgd(Section):
    """Stochastic gradient descent with momentum (0 for none), plain or Nesterov's."""

    name: Literal["sgd"]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    nesterov: bool = False


Optimizer = Annotated[Adam | RmsProp | Sgd, Field(discriminator="name")]


class EarlyStopping(Section):
    """Stops after `patience` epochs without a better `monitor`."""

    patience: Annotated[int, Field(ge=1)]


class ReduceOnPlateau(Section):
    """Multiplies the learning rate by `factor` after `patience` epochs without a better `monitor`, down to
    `min_learning_rate`."""

    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Annotated[int, Field(ge=1)]
    min_learning_rate: Annotated[float, Field(ge=0)]


class Training(Section):
    """How a stage trains. The weights of the epoch with the best `monitor` are kept.

    `class_weights`: none, balanced (images over classes times images of the class), or a weight per class.
    """

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Optimizer
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]]
    monitor: Literal["val_loss", "val_accuracy"]
    early_stopping: EarlyStopping | None
    reduce_on_plateau: ReduceOnPlateau | None


class Pretrained(Section):
    """A candidate on a pretrained backbone: a head trained on frozen features, then the top of the backbone as well."""

    kind: Literal["pretrained"]
    image: Image
    backbone: Backbone
    extract: Extract
    head: Head
    train_head: Training
    fine_tune: Training | None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        entry = BACKBONES[self.backbone.name]
        if self.image.size < entry.min_side:
            raise ValueError(
                f"image.size is {self.image.size}, but {self.backbone.name} takes images from {entry.min_side} px on"
            )
        if self.image.color != "rgb" and self.backbone.weights != "none":
            raise ValueError("image.color must be rgb for pretrained weights")
        if (self.fine_tune is None) != (self.backbone.unfreeze is None):
            raise ValueError("fine_tune and backbone.unfreeze go together: give both, or null for both")
        return self


# ---------------------------------------------------------------- evaluate, select, promote, record


class Evaluate(Section):
    """`bootstrap` resamples give the `confidence` intervals; `gallery` is the number of worst mistakes that are shown."""

    seed: Annotated[int, Field(ge=0)]
    bootstrap: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    gallery: Annotated[int, Field(ge=1, le=100)]


class Select(Section):
    """The validation metric that chooses the best candidate (log_loss: the lowest, else the highest)."""

    metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss"]


class Promote(Section):
    """The registered model's name, and by how much a challenger must beat the champion on today's test set."""

    model_name: Name
    min_improvement: Annotated[float, Field(ge=0)]


class Record(Section):
    """Where MLflow keeps runs and models, and the experiment in which the candidates are compared."""

    tracking_uri: Annotated[str, Field(pattern=r"^(sqlite|postgresql|mysql|mssql|https?)(\+\w+)?://")]
    experiment: Name


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    data: Data
    # `validate` is also a deprecated method of pydantic's models, hence the alias
    validate_: Annotated[Validate, Field(alias="validate")]
    augment: Augment
    candidates: Annotated[dict[Name, Pretrained], Field(min_length=1)]
    evaluate: Evaluate
    select: Select
    promote: Promote
    record: Record


# ---------------------------------------------------------------- reading


def load_params(path: Path) -> Params:
    """Reads and checks a params file.

    Raises:
        TransferlineError: it cannot be read, or keys or values are wrong; all of them are named at once.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TransferlineError(f"{path}: no such file; recipes/ holds complete ones to start from") from error
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise TransferlineError(f"{path} cannot be read as YAML: {error}") from error
    try:
        return Params.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        faults = dict.fromkeys(_explain(fault, tree) for fault in error.errors() if not _is_other_member(fault))
        raise TransferlineError("\n  ".join([f"{path}: {len(faults)} fault(s)", *faults])) from error


def _is_other_member(fault: Any) -> bool:
    """Whether a value was only compared with the member of a union that it does not try to be."""
    is_section = isinstance(fault["input"], dict)
    return (is_section and fault["type"] == "literal_error") or (not is_section and fault["type"] == "model_type" and
            isinstance(fault["input"], str))


def _explain(fault: Any, tree: Any) -> str:
    keys, models = _walk(fault, tree)
    location = ".".join(keys) or "(top level)"
    if fault["type"] == "extra_forbidden":
        allowed = sorted({field.alias or name for model in models for name, field in model.model_fields.items()})
        near = difflib.get_close_matches(keys[-1], allowed, 1)
        return f"{location}: unknown key; {f'did you mean {near[0]}? ' if near else ''}allowed are {', '.join(allowed)}"
    if fault["type"] == "missing":
        return f"{location}: missing; recipes/digits.yaml shows every key"
    value = json.dumps(fault["input"])
    return f"{location}: {fault['msg'].removeprefix('Value error, ')}" + (f" (got {value})" if len(value) <= 80 else "")


def _walk(fault: Any, tree: Any) -> tuple[list[str], list[type[BaseModel]]]:
    """The keys of the file on the way to a fault, without the names that pydantic adds for the members of a union,
    and the sections in which the last of them could stand."""
    keys: list[str] = []
    models: list[type[BaseModel]] = [Params]
    parents = models
    for part in fault["loc"]:
        inside = tree[part] if (isinstance(tree, dict) and part in tree) or isinstance(tree, list) else None
        if inside is None and not (fault["type"] == "missing" and part == fault["loc"][-1]) and not _is_null(tree, part):
            models = [model for model in models if _is_named(model, part)] or models
            continue
        keys.append(str(part))
        tree, parents = inside, models
        fields = [field for model in models for name, field in model.model_fields.items() if part in (field.alias, name)]
        models = [inner for field in fields for inner in _sections(field.annotation)] or models
    return keys, parents


def _is_null(tree: Any, part: int | str) -> bool:
    return isinstance(tree, dict) and part in tree


def _is_named(model: type[BaseModel], tag: int | str) -> bool:
    fields = [model.model_fields[name] for name in ("kind", "name") if name in model.model_fields]
    return tag == model.__name__ or any(tag in get_args(field.annotation) for field in fields)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]
