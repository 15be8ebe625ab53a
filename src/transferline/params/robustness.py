"""The section `evaluate.robustness`: the evaluation of a model on corrupted and on attacked images."""

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
    "fog",
]
Attack = Literal["fgsm", "pgd", "targeted_fgsm", "targeted_pgd"]


def _each_once(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names a value more than once; list each value once")
    return values


EachOnce = AfterValidator(_each_once)


class Adversarial(Section):
    """White-box attacks, which use the gradients of the model.

    `fgsm` takes one step, `pgd` several; both raise the loss of the true label. The targeted attacks lower the loss of
    the least probable wrong class, in segmentation for each pixel, in multilabel problems that of the opposite of every
    label. The gate uses the lowest value among the attacks at the largest epsilon.
    """

    attacks: Annotated[
        tuple[Attack, ...],
        Field(min_length=1, description="fgsm: one step, pgd: several; targeted: towards the least probable class"),
        EachOnce,
    ] = ("fgsm", "pgd")
    epsilons: Annotated[
        tuple[Annotated[int, Field(ge=0, le=255)], ...],
        Field(min_length=1, description="largest changes of a pixel value (0 to 255); 0 is the unchanged image"),
        EachOnce,
    ] = (1, 2, 4)
    steps: Annotated[int, Field(ge=1, le=1000, description="number of steps of pgd and targeted_pgd")] = 10


class Robustness(Section):
    """Corruptions and attacks on a part of the test split.

    The metric is accuracy, for multilabel problems the mean average precision, for segmentation the mean IoU.
    """

    images: Annotated[int, Field(ge=1, description="the number of images, evenly spaced in the test split")] = 200
    corruptions: Annotated[
        Annotated[tuple[Corruption, ...], Field(min_length=1), EachOnce] | None,
        Field(description="corruptions, each at 5 severities; null: none; no rotation for segmentation"),
    ] = get_args(Corruption)
    adversarial: Annotated[
        Adversarial | None, Field(description="attacks that use the model's gradients; null: none")
    ] = None

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.corruptions is None and self.adversarial is None:
            raise ValueError("corruptions and adversarial are both null: give one, or set robustness to null")
        return self
