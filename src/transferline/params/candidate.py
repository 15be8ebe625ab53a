"""The section `candidates`: the models to train and compare."""

import difflib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from transferline.params.backbone_names import BACKBONES, WITH_ALPHA
from transferline.params.layers import Layer
from transferline.params.section import Section, Views
from transferline.params.training import EndToEndTraining, FineTuning, LinearTraining, SegmentationTraining, Training


class Image(Section):
    """The images that a candidate takes as input."""

    size: Annotated[int, Field(ge=32, le=512, description="height and width in pixels")]
    color: Annotated[Literal["rgb", "grayscale"], Field(description="the colour mode")] = "rgb"
    resize: Annotated[
        Literal["stretch", "pad", "crop"],
        Field(description="stretch ignores the aspect ratio, pad adds black borders, crop cuts the centre"),
    ] = "stretch"


class WeightsFile(Section):
    """Weights from a file."""

    path: Annotated[str, Field(description="path of the file")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="the sha256 that the file must have")]


class Unfreeze(Section):
    """The layers of a backbone that fine-tuning trains."""

    from_layer: Annotated[
        Annotated[int, Field(ge=0)] | str | None,
        Field(description="the first of these layers, as a name or an index; all later layers are trained too"),
    ] = None
    last: Annotated[
        Annotated[int, Field(ge=1)] | None, Field(description="instead of from_layer: the number of last layers")
    ] = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.from_layer is None) == (self.last is None):
            raise ValueError("give either from_layer or last")
        return self


# One boundary, or several from shallow to deep. With the tags, pydantic reports errors only for the alternative that
# the value matches; it does so also for `Layers`.
Boundaries = Annotated[
    Annotated[Unfreeze, Tag("one")] | Annotated[tuple[Unfreeze, ...], Field(min_length=1), Tag("list")],
    Discriminator(lambda listed: "list" if isinstance(listed, list | tuple) else "one"),
]
IMPORT_PATH = r"^networks(\.\w+)+:\w+$"
# A list of layers, or the import path of a function that builds them.
Layers = Annotated[
    Annotated[tuple[Layer, ...], Tag("list")] | Annotated[str, Field(pattern=IMPORT_PATH), Tag("import path")],
    Discriminator(lambda layers: "import path" if isinstance(layers, str) else "list"),
]


def _known_backbone(name: str) -> str:
    if name not in BACKBONES and not re.match(IMPORT_PATH, name):
        near = difflib.get_close_matches(name, BACKBONES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(
            f"there is no such backbone; {hint}allowed are {', '.join(sorted(BACKBONES))}, "
            "or an import path networks.MODULE:FUNCTION"
        )
    return name


Alpha = Annotated[
    Annotated[float, Field(gt=0)] | None, Field(description="the width multiplier of a MobileNet; null means 1.0")
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
            description="efficientnet_lite0 to 2, a network of keras.applications, or the import path of your own",
            json_schema_extra={"anyOf": [{"enum": sorted(BACKBONES)}, {"pattern": IMPORT_PATH}]},
        ),
    ]
    alpha: Alpha = None
    weights: Weights = "imagenet"
    pooling: Annotated[
        Literal["avg", "max", "none"], Field(description="how the feature map becomes a vector; none keeps the map")
    ] = "avg"
    unfreeze: Annotated[
        Boundaries | None,
        Field(description="the layers that fine_tune trains; a list tries more and more of them; null: none"),
    ] = None

    @property
    def boundaries(self) -> tuple[Unfreeze, ...]:
        """What `unfreeze` lists, from shallow to deep."""
        listed = self.unfreeze or ()
        return (listed,) if isinstance(listed, Unfreeze) else listed

    @property
    def bank_boundary(self) -> Unfreeze | None:
        """The boundary whose tensors the bank holds: the first one. None: the bank holds only features."""
        return next(iter(self.boundaries), None)

    @model_validator(mode="after")
    def _settings_where_they_mean_something(self) -> Self:
        if self.name not in BACKBONES and self.weights == "imagenet":
            raise ValueError("weights: imagenet is not possible for your own network; use none, or {path, sha256}")
        if self.alpha is not None and self.name not in WITH_ALPHA:
            raise ValueError(f"alpha is only for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class Extract(Section):
    """The views for which the frozen layers' outputs are computed, and the number format of the bank.

    `untouched` means the image itself. `flipped` adds the flips that `augment` allows. `augmented` means the image
    itself and its augmented views.
    """

    head_views: Annotated[
        Views | None,
        Field(description="for train_head: untouched, flipped (adds augment's flips), augmented; null without it"),
    ] = "flipped"
    fine_tune_views: Annotated[Views, Field(description="for fine_tune: untouched, flipped or augmented")] = "augmented"
    dtype: Annotated[Literal["float16", "float32"], Field(description="the number format of the bank")] = "float16"


def _optimizer_of(section: Any) -> str:
    """Returns the name of the class for a section `train_head`, which depends on its optimizer."""
    tree = section.model_dump() if isinstance(section, Section) else section
    optimizer = tree.get("optimizer") if isinstance(tree, dict) else None
    is_lbfgs = isinstance(optimizer, dict) and optimizer.get("name") == "lbfgs"
    return "LinearTraining" if is_lbfgs else "Training"


HeadTraining = Annotated[
    Annotated[Training, Tag("Training")] | Annotated[LinearTraining, Tag("LinearTraining")],
    Discriminator(_optimizer_of),
]
ImageField = Annotated[Image, Field(description="the images that the candidate takes as input")]
NoSection = Annotated[None, Field(description="always null: this kind of candidate has no such section")]
WITHOUT_WEIGHTS = ("flatten", "global_average_pool", "global_max_pool")


class Pretrained(Section):
    """A candidate with a pretrained backbone.

    First `train_head` trains the layers on top, on features of the frozen backbone. Then `fine_tune` trains them
    together with the unfrozen layers of the backbone. Without `train_head` they start untrained in `fine_tune`.
    """

    kind: Annotated[Literal["pretrained"], Field(description="layers on top of a pretrained backbone")]
    image: ImageField
    backbone: Annotated[Backbone, Field(description="a pretrained network without its top")]
    extract: Annotated[Extract, Field(description="the views for which the frozen layers' outputs are computed")] = (
        Extract()
    )
    layers: Annotated[
        Layers,
        Field(description="layers between backbone and logits: a list, or an import path networks.MODULE:FUNCTION"),
    ] = ()
    train_head: Annotated[
        HeadTraining | None,
        Field(description="how the layers on top are trained on frozen features; null: without this stage"),
    ] = Training()
    fine_tune: Annotated[
        FineTuning | None,
        Field(description="how the layers on top and unfrozen layers are trained; null: without this stage"),
    ] = None
    train: NoSection = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        entry = BACKBONES.get(self.backbone.name)
        if entry and self.image.size < entry.min_side:
            raise ValueError(
                f"image.size is {self.image.size}, but {self.backbone.name} needs at least {entry.min_side} px"
            )
        if self.image.color != "rgb" and self.backbone.weights == "imagenet":
            raise ValueError("image.color must be rgb for the weights of imagenet")
        if (self.fine_tune is None) != (self.backbone.unfreeze is None):
            raise ValueError("fine_tune needs backbone.unfreeze, and the reverse: give both, or null for both")
        if (self.train_head is None) != (self.extract.head_views is None):
            raise ValueError("train_head needs extract.head_views, and the reverse: give both, or null for both")
        if isinstance(self.train_head, LinearTraining) and not self._is_linear():
            raise ValueError(
                "train_head.optimizer: lbfgs trains only the logits, so layers must be [] or only "
                f"{', '.join(WITHOUT_WEIGHTS)}; use another optimizer for these layers"
            )
        if self.fine_tune is None and self.train_head is None:
            raise ValueError("train_head and fine_tune are both null, so nothing would be trained; give one of them")
        return self

    def _is_linear(self) -> bool:
        return not isinstance(self.layers, str) and all(layer.kind in WITHOUT_WEIGHTS for layer in self.layers)


class EndToEnd(Section):
    """A network without a pretrained part. The stage `train` trains all of it."""

    kind: Annotated[Literal["end_to_end"], Field(description="a network without a pretrained part")]
    image: ImageField
    backbone: NoSection = None
    extract: NoSection = None
    layers: Annotated[
        Layers,
        Field(description="layers from image (0 to 255) to logits: a list, or an import path networks.MODULE:FUNCTION"),
    ]
    train_head: NoSection = None
    fine_tune: NoSection = None
    train: Annotated[EndToEndTraining, Field(description="how the network is trained")] = EndToEndTraining()


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
            raise ValueError(f"alpha is only for {', '.join(WITH_ALPHA)}; leave it out for {self.name}")
        return self


class DeepLab(Section):
    """DeepLabV3+ with a pretrained encoder. The stage `train` trains it on images and masks."""

    kind: Annotated[Literal["deeplab_v3_plus"], Field(description="DeepLabV3+ with a pretrained encoder")]
    image: ImageField
    backbone: Annotated[Encoder, Field(description="the pretrained encoder")]
    extract: NoSection = None
    layers: NoSection = None
    train_head: NoSection = None
    fine_tune: NoSection = None
    train: Annotated[SegmentationTraining, Field(description="how the network is trained")] = SegmentationTraining()

    @model_validator(mode="after")
    def _sees_whole_images(self) -> Self:
        if self.image.resize == "crop":
            raise ValueError("image.resize is crop, which removes pixels that must be predicted; use stretch or pad")
        if self.image.color != "rgb" and self.backbone.weights == "imagenet":
            raise ValueError("image.color must be rgb for the weights of imagenet")
        return self


Candidate = Annotated[Pretrained | EndToEnd | DeepLab, Field(discriminator="kind")]
