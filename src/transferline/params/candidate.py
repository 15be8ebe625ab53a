"""The section `candidates`: the models to try."""

import difflib
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from transferline.models.catalog import BACKBONES, WITH_ALPHA
from transferline.params.base import Section, Views


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


def _known_backbone(name: str) -> str:
    if name not in BACKBONES:
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
    pooling: Literal["avg", "max"]
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
    """The layers on top of the pooled features: hidden layers of that many units (ReLU), dropout before each dense
    layer, logits."""

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
