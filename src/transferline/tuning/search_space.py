"""The settings that `tune` tries, and the candidates that they describe."""

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from transferline.models.backbones import build_backbone
from transferline.params import Augment, Backbone, FineTuning, Image, Params, Pretrained
from transferline.params.backbone import Pooling
from transferline.params.backbone_names import BACKBONES, BackboneEntry
from transferline.weights_on_this_machine import has_imagenet_weights

NAME = "tuned"  # of the candidate that `tune` writes into params.yaml
HEAD = "head"  # the depth of a head without fine-tuning
PRESENT = "as in params"  # the depth of the candidate that the settings vary, as it is
SIDES = (0.75, 1.0, 1.25)  # of images, as factors of the candidate's side
NATIVE = (0.6, 1.4)  # the native side of a backbone is tried if it is between these factors of the candidate's side
# For each depth the boundaries of fine-tuning, from shallow to deep, as shares of the backbone's layers.
DEPTHS = {"upper": (0.35,), "ladder": (0.35, 1.0), "whole": (0.1, 1.0)}
RATES = (1e-4, 3e-4, 1e-3, 2e-3)
SMOOTHINGS = (0.0, 0.1)
WEIGHT_DECAYS = (0.0, 0.1)
WIDER = {"rotation": 15.0, "shift_x": 0.1, "shift_y": 0.1}  # the ranges of `wider` are at least from -value to value
VIEWS = 16
MOST_SIDE = 512
OF_UPPER = "_of_upper"  # a name of Optuna has the same choices in all trials
# The first two fine-tunings, before Optuna has results to learn from.
FIRST = (
    {"depth": "ladder", "augmentation": "params", "megapixels": 200},
    {"depth": "whole", "augmentation": "wider", "megapixels": 400},
)
EPOCHS = {200: 24, 400: 40}  # for each value of `max_megapixels`

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


LEVELS: Pooling = "levels"


@dataclass(frozen=True)
class Network:
    """A backbone, the side of its images in pixels, the views on which its head is trained, and its pooling."""

    backbone: str
    side: int
    head_views: str
    pooling: Pooling = "avg"

    @property
    def place(self) -> tuple[str, int]:
        """Backbone and side."""
        return self.backbone, self.side

    def __str__(self) -> str:
        """Such as `efficientnet_lite2 260 px untouched avg`."""
        return f"{self.backbone} {self.side} px {self.head_views} {self.pooling}"


@dataclass(frozen=True)
class Settings:
    """What one trial tries: a network, and how it is fine-tuned. A head alone has only the network.

    With the depth `PRESENT` it is the candidate that the settings vary, as it is.
    """

    network: Network
    depth: str = HEAD
    learning_rate: float | None = None
    label_smoothing: float | None = None
    augmentation: str | None = None
    megapixels: int | None = None
    weight_decay: float | None = None

    def tree(self) -> dict[str, Any]:
        """Returns the settings by name; those that have no meaning are left out."""
        tree = {**asdict(self.network), **{key: value for key, value in asdict(self).items() if key != "network"}}
        return {key: value for key, value in tree.items() if value is not None}

    def __str__(self) -> str:
        """The settings in one line."""
        if self.depth == PRESENT:
            return f"the candidate as it is in params.yaml ({self.network.backbone} {self.network.side} px)"
        return ", ".join(f"{key} {value}" for key, value in self.tree().items())


def networks_to_try(params: Params, base: Pretrained) -> list[Network]:
    """Returns the networks, the quickest first: those of the candidates, and those whose weights are here.

    Each is tried with the pooling of the candidate that the settings vary (avg instead of none). Then, if there is
    time, each is tried with levels. Only the network of the candidate is tried on augmented views, because they take
    long.
    """
    candidates = (one for name, one in params.candidates.items() if name != NAME)
    named = {one.backbone.name for one in candidates if isinstance(one, Pretrained)}
    installed = {name for name in BACKBONES if name.startswith("efficientnet_lite") and has_imagenet_weights(name)}
    has_weights = {name for name in named | installed if name in BACKBONES and has_imagenet_weights(name)}
    own = {base.backbone.name} & BACKBONES.keys()  # its weights can be a file, or Keras downloads them
    usual: Pooling = base.backbone.pooling if base.backbone.pooling != "none" else "avg"
    poolings = dict.fromkeys([usual, LEVELS])
    flips = params.augment.horizontal_flip or params.augment.vertical_flip
    found = [
        Network(name, side, views, pooling)
        for name in sorted(has_weights | own)
        for side in _sides(base.image.size, BACKBONES[name])
        for views in (("untouched", "flipped") if flips else ("untouched",))
        for pooling in poolings
    ]
    has_own = params.augment.views > 0 and any(one.place == own_of(base) for one in found)
    augmented = [Network(*own_of(base), "augmented", usual)] if has_own else []
    return [*sorted(found, key=lambda network: (network.pooling != usual, network.side)), *augmented]


def own_of(base: Pretrained) -> tuple[str, int]:
    """Returns backbone and side of the candidate that the settings vary."""
    return base.backbone.name, base.image.size


def present_settings(base: Pretrained) -> Settings:
    """Returns the settings that stand for the candidate as it is."""
    views = base.extract.head_views or base.extract.fine_tune_views
    return Settings(Network(*own_of(base), views, base.backbone.pooling), PRESENT)


def _sides(side: int, backbone: BackboneEntry) -> list[int]:
    sides = {round(side * factor / 32) * 32 if factor != 1 else side for factor in SIDES}
    if NATIVE[0] * side <= backbone.native_side <= NATIVE[1] * side:
        sides.add(backbone.native_side)
    return sorted(each for each in sides if backbone.min_side <= each <= MOST_SIDE)


def suggest(trial: "BaseTrial", networks: list[str], augment: Augment) -> None:
    """Lets Optuna choose the values of a trial; `wider` is a choice only if it differs from the section `augment`."""
    trial.suggest_categorical("network", networks)
    trial.suggest_categorical("depth", list(DEPTHS))
    trial.suggest_categorical("learning_rate", RATES)
    trial.suggest_categorical("label_smoothing", SMOOTHINGS)
    trial.suggest_categorical("weight_decay", WEIGHT_DECAYS)
    trial.suggest_categorical("megapixels", list(EPOCHS))
    if len(DEPTHS[trial.params["depth"]]) == 1:
        trial.suggest_categorical(f"augmentation{OF_UPPER}", ("none", "params"))
    elif wider(augment) != augment:
        trial.suggest_categorical("augmentation", ("params", "wider"))


def settings_of(values: dict[str, Any], networks: list[Network]) -> Settings:
    """Returns the settings of a trial from Optuna's values."""
    named = {name_of(name): value for name, value in values.items()}
    (network,) = (one for one in networks if str(one) == values["network"])
    return Settings(**{**named, "network": network})


def name_of(parameter: str) -> str:
    """Returns the name of the setting for which a parameter of Optuna stands."""
    return parameter.removesuffix(OF_UPPER)


def candidate_of(settings: Settings, base: Pretrained) -> Pretrained:
    """Returns the candidate of these settings.

    Of the candidate `base` it keeps `image.resize`, `extract.dtype`, class weights, monitor and `refit` of
    `train_head`, what `settings` does not name of `fine_tune`, and, for the same backbone, its weights, width and
    colour mode. The head has no layers of its own, as L-BFGS trains it, so it needs a pooled vector; all other params
    have their defaults.
    """
    if settings.depth == PRESENT:
        return base
    network, head = settings.network, base.train_head
    is_own = network.backbone == base.backbone.name and base.backbone.weights != "none"
    backbone = base.backbone.model_dump(mode="json", include={"alpha", "weights"}) if is_own else {}
    color = {"color": base.image.color} if is_own else {}
    tree: dict[str, Any] = {
        "kind": "pretrained",
        "image": {"size": network.side, "resize": base.image.resize, **color},
        "backbone": {"name": network.backbone, "pooling": network.pooling, **backbone},
        "extract": {"head_views": network.head_views, "dtype": base.extract.dtype},
        "train_head": {
            "optimizer": {"name": "lbfgs"},
            **(head.model_dump(mode="json", include={"class_weights", "monitor", "refit"}) if head else {}),
        },
    }
    if settings.depth != HEAD:
        shares = DEPTHS[settings.depth]
        layers = _layers(network.backbone, network.side, "none")
        of_pooling = _layers(network.backbone, network.side, network.pooling) - layers
        tree["backbone"]["unfreeze"] = [{"last": math.ceil(share * layers) + of_pooling} for share in shares]
        # Boundaries after the first train on all views, whatever the bank holds.
        has_views = len(shares) == 1 and settings.augmentation != "none"
        tree["extract"]["fine_tune_views"] = "augmented" if has_views else "untouched"
        assert settings.megapixels is not None
        tree["fine_tune"] = {
            **(base.fine_tune or FineTuning()).model_dump(mode="json"),
            "epochs": EPOCHS[settings.megapixels],
            "max_megapixels": settings.megapixels,
            "optimizer": {
                "name": "adam",
                "learning_rate": settings.learning_rate,
                "weight_decay": settings.weight_decay or 0.0,
            },
            "schedule": {"kind": "cosine", "warmup_epochs": 1},
            "loss": {"kind": "cross_entropy", "label_smoothing": settings.label_smoothing},
            "reduce_on_plateau": None,
        }
    return Pretrained.model_validate_json(json.dumps(tree))


@cache
def _layers(backbone: str, side: int, pooling: Pooling) -> int:
    """Returns the number of layers of a backbone."""
    image = Image.model_construct(size=side, color="rgb", resize="stretch")
    return len(build_backbone(Backbone(name=backbone, weights="none", pooling=pooling), image).layers)


def augment_of(settings: Settings, augment: Augment) -> Augment:
    """Returns the section `augment` of these settings. No setting adds a flip, which can change the label."""
    return wider(augment) if settings.augmentation == "wider" else augment


def wider(augment: Augment) -> Augment:
    """Returns the section `augment` with ranges that are at least those of `wider`."""
    tree = augment.model_dump(mode="json")
    for key, least in WIDER.items():
        tree[key] = _widened(tree[key], -least, least)
    tree["zoom"], tree["contrast"] = _widened(tree["zoom"], 0.8, 1.2), _widened(tree["contrast"], 0.6, 1.4)
    tree["views"] = max(augment.views, VIEWS)
    return Augment.model_validate_json(json.dumps(tree))


def _widened(limits: list[float], low: float, high: float) -> list[float]:
    return [min(limits[0], low), max(limits[1], high)]
