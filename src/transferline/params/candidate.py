"""The section `candidates`: the models to try."""

import difflib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from transferline.params.backbone_names import BACKBONES, WITH_ALPHA
from transferline.params.layers import Layer
from transferline.params.section import Section, Views
from transferline.params.training import EndToEndTraining, FineTuning, LinearTraining, SegmentationTraining, Training


class Image(Section):
    """What a candidate sees."""

    size: Annotated[int, Field(ge=32, le=512, description="height and width in pixels")]
    color: Annotated[Literal["rgb", "grayscale"], Field(description="the colour mode")] = "rgb"
    resize: Annotated[
        Literal["stretch", "pad", "crop"],
        Field(description="stretch ignores the aspect ratio, pad adds black borders, crop cuts the centre"),
    ] = "stretch"


class WeightsFile(Section):
    """Weights from a file."""

    path: Annotated[str, Field(description="the file")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="the sha256 that the file must have")]


class Unfreeze(Section):
    """What fine-tuning trains of a backbone."""

    from_layer: Annotated[
        Annotated[int, Field(ge=0)] | str | None,
        Field(description="the layers from this one on, by its name or its index"),
    ] = None
    last: Annotated[Annotated[int, Field(ge=1)] | None, Field(description="or so many of the last layers")] = None

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


Alpha = Annotated[
    Annotated[float, Field(gt=0)] | None, Field(description="the width of a MobileNet; null: its usual one, 1.0")
]
Weights = Annotated[
    Literal["imagenet", "none"] | WeightsFile, Field(description="imagenet, none (random), or a file: {path, sha256}")
]


class Backbone(Section):
    """A pretrained network without its top."""

    name: Annotated[
        str,
        AfterValidator(_known_backbone),
        Field(
            description="a network of the package or of keras.applications, or the import path of one in networks/",
            json_schema_extra={"anyOf": [{"enum": sorted(BACKBONES)}, {"pattern": IMPORT_PATH}]},
        ),
    ]
    alpha: Alpha = None
    weights: Weights = "imagenet"
    pooling: Annotated[
        Literal["avg", "max", "none"], Field(description="how the feature map becomes a vector; none: not at all")
    ] = "avg"
    unfreeze: Annotated[Unfreeze | None, Field(description="what fine_tune trains of it; null: nothing")] = None

    @model_validator(mode="after")
    def _settings_where_they_mean_something(self) -> Self:
        if self.name not in BACKBONES and self.weights == "imagenet":
            raise ValueError("weights: imagenet is for Keras's networks; for yours give none, or {path, sha256}")
        if self.alpha is not None and self.name not in WITH_ALPHA:
            raise ValueError(f"alpha is for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class Extract(Section):
    """Which views go through the frozen layers, and the number format of the bank.

    `untouched` is the image itself, `flipped` adds the flips that `augment` allows, `augmented` takes the image itself
    and the augmented views.
    """

    head_views: Annotated[
        Views | None,
        Field(description="for train_head: untouched, flipped (with the flips of augment), augmented; null without it"),
    ] = "flipped"
    fine_tune_views: Annotated[Views, Field(description="for fine_tune: untouched, flipped or augmented")] = "augmented"
    dtype: Annotated[Literal["float16", "float32"], Field(description="the number format of the bank")] = "float16"


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
ImageField = Annotated[Image, Field(description="what the candidate sees")]
NoSection = Annotated[None, Field(description="null: this kind of candidate has no such part")]
WITHOUT_WEIGHTS = ("flatten", "global_average_pool", "global_max_pool")


class Pretrained(Section):
    """A candidate on a pretrained backbone: layers on top trained on frozen features, then the top of the backbone too.

    Without `train_head` the layers start untrained in `fine_tune`, together with the unfrozen layers of the backbone.
    """

    kind: Annotated[Literal["pretrained"], Field(description="layers on a pretrained backbone")]
    image: ImageField
    backbone: Annotated[Backbone, Field(description="a pretrained network without its top")]
    extract: Annotated[Extract, Field(description="which views go through the frozen layers")] = Extract()
    layers: Annotated[
        Layers, Field(description="between backbone and logits: a list, or an import path networks.MODULE:FUNCTION")
    ] = ()
    train_head: Annotated[
        HeadTraining | None, Field(description="how layers and logits train on frozen features; null: not at all")
    ] = Training()
    fine_tune: Annotated[
        FineTuning | None, Field(description="how the unfrozen layers train, with those on top; null: not at all")
    ] = None
    train: NoSection = None

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
    """A network without a pretrained part, trained from the images on by the stage `train`."""

    kind: Annotated[Literal["end_to_end"], Field(description="a network without a pretrained part")]
    image: ImageField
    backbone: NoSection = None
    extract: NoSection = None
    layers: Annotated[
        Layers,
        Field(description="between image (0 to 255) and logits: a list, or an import path networks.MODULE:FUNCTION"),
    ]
    train_head: NoSection = None
    fine_tune: NoSection = None
    train: Annotated[EndToEndTraining, Field(description="how the network trains")] = EndToEndTraining()


class Encoder(Section):
    """The pretrained part of a segmentation network."""

    name: Annotated[
        Literal["mobilenet", "mobilenet_v2", "resnet50_v2", "efficientnet_lite0"], Field(description="the network")
    ]
    alpha: Alpha = None
    weights: Weights = "imagenet"

    @model_validator(mode="after")
    def _alpha_where_it_means_something(self) -> Self:
        if self.alpha is not None and self.name not in WITH_ALPHA:
            raise ValueError(f"alpha is for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class DeepLab(Section):
    """DeepLabV3+ on a pretrained encoder, trained by the stage `train` from images and masks."""

    kind: Annotated[Literal["deeplab_v3_plus"], Field(description="DeepLabV3+ on a pretrained encoder")]
    image: ImageField
    backbone: Annotated[Encoder, Field(description="the pretrained encoder")]
    extract: NoSection = None
    layers: NoSection = None
    train_head: NoSection = None
    fine_tune: NoSection = None
    train: Annotated[SegmentationTraining, Field(description="how the network trains")] = SegmentationTraining()

    @model_validator(mode="after")
    def _sees_whole_images(self) -> Self:
        if self.image.resize == "crop":
            raise ValueError("image.resize is crop, which hides pixels that need an answer; use stretch or pad")
        if self.image.color != "rgb" and self.backbone.weights == "imagenet":
            raise ValueError("image.color must be rgb for the weights of imagenet")
        return self


Candidate = Annotated[Pretrained | EndToEnd | DeepLab, Field(discriminator="kind")]
