"""The section `candidates`: the models to train and compare."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from transferline.params.backbone import IMPORT_PATH, Alpha, Backbone, Weights
from transferline.params.backbone_names import BACKBONES, WITH_ALPHA
from transferline.params.layers import Layer
from transferline.params.section import Section, Views
from transferline.params.training import EndToEndTraining, FineTuning, LinearTraining, Training
from transferline.params.training_with_masks import SegmentationTraining


class Image(Section):
    """The images that a candidate takes as input."""

    size: Annotated[int, Field(ge=32, le=512, description="height and width in pixels")]
    color: Annotated[Literal["rgb", "grayscale"], Field(description="the colour mode")] = "rgb"
    resize: Annotated[
        Literal["stretch", "pad", "crop"],
        Field(description="stretch ignores the aspect ratio, pad adds black borders, crop cuts the centre"),
    ] = "stretch"


# A list of layers, or the import path of a function that builds them.
Layers = Annotated[
    Annotated[tuple[Layer, ...], Tag("list")] | Annotated[str, Field(pattern=IMPORT_PATH), Tag("import path")],
    Discriminator(lambda layers: "import path" if isinstance(layers, str) else "list"),
]


class Extract(Section):
    """The views for which the frozen layers' outputs are computed, and the number format of the bank.

    `untouched` means the image itself. `flipped` adds the flips that `augment` allows. `augmented` means the image
    itself and its augmented views.
    """

    head_views: Annotated[
        Views | None,
        Field(
            description="for train_head: untouched, flipped (adds augment's flips), augmented; null if train_head is "
            "null"
        ),
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
