"""The section `evaluate.robustness`: how a model behaves on damaged and on attacked images."""

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from transferline.params.section import Section

Corruption = Literal[
    "gaussian_noise",
    "shot_noise",
    "blur",
    "motion_blur",
    "brightness",
    "darkness",
    "contrast",
    "jpeg",
    "pixelate",
    "rotation",
    "occlusion",
]
Attack = Literal["fgsm", "pgd", "targeted_fgsm", "targeted_pgd"]


def _each_once(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice")
    return values


EachOnce = AfterValidator(_each_once)


class Adversarial(Section):
    """Attacks with knowledge of the model, that change no channel of a pixel by more than ε of the 255 steps of the
    raw image.

    `attacks`: `fgsm` is one step, `pgd` `steps` of them; both raise the loss of the true label. The targeted ones lower
    the loss of the least likely wrong class, of segmentation for each pixel (multilabel: of the opposite of every
    label). `epsilons`: 0 is the untouched image. The figure that a gate can look at is the lowest one among the attacks
    at the largest ε.
    """

    attacks: Annotated[tuple[Attack, ...], Field(min_length=1), EachOnce]
    epsilons: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(min_length=1), EachOnce]
    steps: Annotated[int, Field(ge=1, le=1000)] = 10


class Robustness(Section):
    """On how many `images` of the test split, drawn evenly, which `corruptions`, each at 5 severities, and which
    attacks are tried; either is null where it is not wanted. The figure is accuracy, of multilabel problems the mean
    average precision, of segmentation the mean IoU; there `rotation` is no corruption, for it moves pixels away from
    their labels."""

    images: Annotated[int, Field(ge=1)]
    corruptions: Annotated[tuple[Corruption, ...], Field(min_length=1), EachOnce] | None = get_args(Corruption)
    adversarial: Adversarial | None = None

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.corruptions is None and self.adversarial is None:
            raise ValueError("neither corruptions nor adversarial: give one, or set robustness to null")
        return self
