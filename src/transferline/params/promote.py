"""The section `promote`: what a challenger has to be like to become the champion."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Fraction, Name, Section


class Limit(Section):
    """A limit of a metric. A relative one does not apply while there is no champion."""

    absolute: Annotated[Annotated[float, Field(ge=0)] | None, Field(description="the limit itself")] = None
    relative: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="a factor on the champion's value: 1.1 allows a tenth more"),
    ] = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.absolute is None) == (self.relative is None):
            raise ValueError("give either absolute or relative")
        return self


class ConfidentShare(Limit):
    """A limit of the share of test images that the model predicts with at least a confidence."""

    confidence: Annotated[float, Field(gt=0, lt=1, description="probability of the most probable class")] = 0.9


class SignificanceTest(Section):
    """How an improvement is told from noise.

    `bootstrap` draws images with replacement, the same ones for both models; the interval of the difference must lie
    above 0. `mcnemar` is the exact test on the images that only one of the two models gets right; it is for shares of
    images, such as accuracy and subset_accuracy.
    """

    kind: Annotated[
        Literal["bootstrap", "mcnemar"],
        Field(description="bootstrap for every metric; mcnemar for accuracy and subset_accuracy"),
    ] = "bootstrap"
    level: Annotated[float, Field(gt=0, lt=0.5, description="the significance level, two-sided")] = 0.05
    resamples: Annotated[int, Field(ge=100, le=100_000, description="how often bootstrap draws the test set anew")] = (
        1000
    )


class Promote(Section):
    """The registered model's name, and the gates that a challenger has to pass on today's test set."""

    model_name: Annotated[Name, Field(description="the model's name in MLflow's registry; by default the dataset's")]
    min_improvement: Annotated[
        float, Field(ge=0, description="by how much select.metric must improve at least, beyond noise")
    ] = 0.0
    min_value: Annotated[
        float, Field(ge=0, description="what select.metric of the first champion must reach (a loss: not exceed)")
    ] = 0.8
    max_class_drop: Annotated[
        Fraction, Field(description="how much recall (segmentation: IoU) a class may lose, beyond noise")
    ] = 0.1
    test: Annotated[SignificanceTest, Field(description="how an improvement is told from noise")] = SignificanceTest()
    max_calibration_error: Annotated[
        Limit | None, Field(description="limit of the expected calibration error; null: none")
    ] = None
    max_latency_ms: Annotated[
        Limit | None, Field(description="limit of the median milliseconds for one image on this machine; null: none")
    ] = None
    max_size_mb: Annotated[Limit | None, Field(description="limit of the model file's megabytes; null: none")] = None
    min_corruption_accuracy: Annotated[
        Limit | None, Field(description="limit of the metric under evaluate.robustness.corruptions; null: none")
    ] = None
    min_adversarial_accuracy: Annotated[
        Limit | None, Field(description="limit of the metric under evaluate.robustness.adversarial; null: none")
    ] = None
    min_confident_share: Annotated[
        ConfidentShare | None, Field(description="limit of the share of test images above a confidence; null: none")
    ] = None
