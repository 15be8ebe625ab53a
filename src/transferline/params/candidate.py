"""The section `candidates`: the models to try."""

import difflib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from transferline.params.backbone_names import BACKBONES, WITH_ALPHA
from transferline.params.layers import Layer
from transferline.params.section import Section, Views
from transferline.params.training import EndToEndTraining, LinearTraining, SegmentationTraining, Training


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
    """What fine-tuning trains: the layers from `from_layer` on (its index or name), or the `last` n."""

    from_layer: Annotated[int, Field(ge=0)] | str | None = None
    last: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.from_layer is None) == (self.last is None):
            raise ValueError("give either from_layer or last")
        return self


IMPORT_PATH = r"^networks(\.\w+)+:\w+$"
# a list of layers, or the import path of a function that builds them; the tags keep errors to the one that is meant
Layers = Annotated[
    Annotated[tuple[Layer, ...], Tag("list")] | Annotated[str, Field(pattern=IMPORT_PATH), Tag("import path")],
    Discriminator(lambda layers: "import path" if isinstance(layers, str) else "list"),
]


def _known_backbone(name: str) -> str:
    if name not in BACKBONES and not re.match(IMPORT_PATH, name):
        near = difflib.get_close_matches(name, BACKBONES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"there is no such backbone; {hint}allowed are {', '.join(sorted(BACKBONES))}")
    return name


class Backbone(Section):
    """A pretrained network without its top: its name, `alpha` (width, MobileNets only), weights, how its feature map is
    pooled, and what fine-tuning unfreezes (null: nothing)."""

    name: Annotated[str, AfterValidator(_known_backbone)]
    alpha: Annotated[float, Field(gt=0)] | None = None
    weights: Literal["imagenet", "none"] | WeightsFile
    pooling: Literal["avg", "max", "none"]
    unfreeze: Unfreeze | None

    @model_validator(mode="after")
    def _settings_where_they_mean_something(self) -> Self:
        if self.name not in BACKBONES and self.weights == "imagenet":
            raise ValueError("weights: imagenet is for Keras's networks; for yours give none, or {path, sha256}")
        if self.alpha is not None and self.name not in WITH_ALPHA:
            raise ValueError(f"alpha is for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class Extract(Section):
    """Which views go through the frozen layers, and the number format of the bank.

    `head_views` feed train_head (null without it), `fine_tune_views` feed fine_tune. `untouched` is the image itself,
    `flipped` adds the flips that `augment` allows, `augmented` takes the image itself and the augmented views.
    """

    head_views: Views | None
    fine_tune_views: Views
    dtype: Literal["float16", "float32"]


def _optimizer_of(section: Any) -> str:
    """The name of the class that a section `train_head` is meant to be, by its optimizer."""
    tree = section.model_dump() if isinstance(section, Section) else section
    optimizer = tree.get("optimizer") if isinstance(tree, dict) else None
    is_lbfgs = isinstance(optimizer, dict) and optimizer.get("name") == "lbfgs"
    return "LinearTraining" if is_lbfgs else "Training"


HeadTraining = Annotated[
    Annotated[Training, Tag("Training")] | Annotated[LinearTraining, Tag("LinearTraining")],
    Discriminator(_optimizer_of),
]
WITHOUT_WEIGHTS = ("flatten", "global_average_pool", "global_max_pool")


class Pretrained(Section):
    """A candidate on a pretrained backbone: layers on top trained on frozen features, then the top of the backbone too.

    `layers` stand between the backbone and the logits, on the pooled vector, or with `pooling: none` on the feature
    map. `train_head` or `fine_tune` is null where the stage has nothing to do; without `train_head` the layers start
    untrained in `fine_tune`, together with the unfrozen layers of the backbone.
    """

    kind: Literal["pretrained"]
    image: Image
    backbone: Backbone
    extract: Extract
    layers: Layers
    train_head: HeadTraining | None
    fine_tune: Training | None
    train: None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        entry = BACKBONES.get(self.backbone.name)
        if entry and self.image.size < entry.min_side:
            raise ValueError(
                f"image.size is {self.image.size}, but {self.backbone.name} takes images from {entry.min_side} px on"
            )
        if self.image.color != "rgb" and self.backbone.weights == "imagenet":
            raise ValueError("image.color must be rgb for the weights of imagenet")
        if (self.fine_tune is None) != (self.backbone.unfreeze is None):
            raise ValueError("fine_tune and backbone.unfreeze go together: give both, or null for both")
        if (self.train_head is None) != (self.extract.head_views is None):
            raise ValueError("train_head and extract.head_views go together: give both, or null for both")
        if isinstance(self.train_head, LinearTraining) and not self._is_linear():
            raise ValueError(
                "train_head.optimizer: lbfgs finds the logits alone, so layers must be [] or one of "
                f"{', '.join(WITHOUT_WEIGHTS)}; take another optimizer for these layers"
            )
        if self.fine_tune is None and self.train_head is None:
            raise ValueError("train_head and fine_tune are both null: nothing would be trained")
        return self

    def _is_linear(self) -> bool:
        return not isinstance(self.layers, str) and all(layer.kind in WITHOUT_WEIGHTS for layer in self.layers)


class EndToEnd(Section):
    """A network without a pretrained part, trained from the images on by the stage `train`.

    `layers` stand between the image, pixels of 0 to 255, and the logits. The sections of the other stages are null.
    """

    kind: Literal["end_to_end"]
    image: Image
    backbone: None
    extract: None
    layers: Layers
    train_head: None
    fine_tune: None
    train: EndToEndTraining


class Encoder(Section):
    """The pretrained part of a segmentation network: its name, `alpha` (width, MobileNets only) and weights."""

    name: Literal["mobilenet", "mobilenet_v2", "resnet50_v2", "efficientnet_lite0"]
    alpha: Annotated[float, Field(gt=0)] | None = None
    weights: Literal["imagenet", "none"] | WeightsFile

    @model_validator(mode="after")
    def _alpha_where_it_means_something(self) -> Self:
        if self.alpha is not None and self.name not in WITH_ALPHA:
            raise ValueError(f"alpha is for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class DeepLab(Section):
    """DeepLabV3+ on a pretrained encoder, trained by the stage `train` from images and masks. The sections of the other
    stages are null."""

    kind: Literal["deeplab_v3_plus"]
    image: Image
    backbone: Encoder
    extract: None
    layers: None
    train_head: None
    fine_tune: None
    train: SegmentationTraining

    @model_validator(mode="after")
    def _sees_whole_images(self) -> Self:
        if self.image.resize == "crop":
            raise ValueError("image.resize is crop, which hides pixels that need an answer; use stretch or pad")
        if self.image.color != "rgb" and self.backbone.weights == "imagenet":
            raise ValueError("image.color must be rgb for the weights of imagenet")
        return self


Candidate = Annotated[Pretrained | EndToEnd | DeepLab, Field(discriminator="kind")]
