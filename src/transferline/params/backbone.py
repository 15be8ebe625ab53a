"""The section `backbone` of a candidate: a pretrained network, and the layers of it that fine-tuning trains."""

import difflib
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from transferline.params.backbone_names import BACKBONES, WITH_ALPHA
from transferline.params.section import Section


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
        Annotated[int, Field(ge=1)] | None,
        Field(description="instead of from_layer: how many of the last layers are trained"),
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
Pooling = Literal["avg", "max", "levels", "none"]


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
        Pooling,
        Field(
            description="avg or max of the last feature map; levels: averages of up to four maps; none: the map itself"
        ),
    ] = "avg"
    unfreeze: Annotated[
        Boundaries | None,
        Field(description="the layers that fine_tune trains, or a list of depths to try; null: none"),
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
