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
    "fog",
]
Attack = Literal["fgsm", "pgd", "targeted_fgsm", "targeted_pgd"]


def _each_once(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice")
    return values


EachOnce = AfterValidator(_each_once)


class Adversarial(Section):
    """Attacks with knowledge of the model.

    `fgsm` is one step, `pgd` several; both raise the loss of the true label. The targeted ones lower the loss of the
    least likely wrong class, of segmentation for each pixel (multilabel: of the opposite of every label). A gate looks
    at the lowest value among the attacks at the largest ε.
    """

    attacks: Annotated[
        tuple[Attack, ...],
        Field(min_length=1, description="fgsm is one step, pgd several; targeted: towards the least likely class"),
        EachOnce,
    ] = ("fgsm", "pgd")
    epsilons: Annotated[
        tuple[Annotated[int, Field(ge=0, le=255)], ...],
        Field(min_length=1, description="by how much of 255 a channel of a pixel may change; 0 is the image itself"),
        EachOnce,
    ] = (1, 2, 4)
    steps: Annotated[int, Field(ge=1, le=1000, description="the steps of pgd and targeted_pgd")] = 10


class Robustness(Section):
    """What is tried on a part of the test split. The metric is accuracy, of multilabel problems the mean average
    precision, of segmentation the mean IoU."""

    images: Annotated[int, Field(ge=1, description="how many images of the test split, drawn evenly")] = 200
    corruptions: Annotated[
        Annotated[tuple[Corruption, ...], Field(min_length=1), EachOnce] | None,
        Field(description="each at 5 severities; null: none; segmentation cannot have rotation"),
    ] = get_args(Corruption)
    adversarial: Annotated[Adversarial | None, Field(description="attacks with knowledge of the model; null: none")] = (
        None
    )

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.corruptions is None and self.adversarial is None:
            raise ValueError("neither corruptions nor adversarial: give one, or set robustness to null")
        return self
