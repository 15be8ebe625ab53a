"""The section `promote`: the gates that a challenger must pass to become the champion."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Fraction, Name, Section

NewClasses = Literal["require", "allow", "ignore"]


class Limit(Section):
    """A limit for a metric. A relative limit does not apply while there is no champion."""

    absolute: Annotated[Annotated[float, Field(ge=0)] | None, Field(description="the limit as a value")] = None
    relative: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="the limit as a multiple of the champion's value: 1.1 means a tenth more"),
    ] = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.absolute is None) == (self.relative is None):
            raise ValueError("give either absolute or relative")
        return self


class ConfidentShare(Limit):
    """A limit for the share of test images that the model predicts with at least the given confidence."""

    confidence: Annotated[float, Field(gt=0, lt=1, description="least probability of the most probable class")] = 0.9


class SignificanceTest(Section):
    """The statistical test that distinguishes an improvement from noise.

    It is a permutation test: it swaps the predictions of champion and challenger for the images of randomly chosen
    groups (see `data.split.group`; without groups, for randomly chosen images) and asks how often the two then differ
    as much as they do.
    """

    level: Annotated[float, Field(gt=0, lt=0.5, description="the significance level, two-sided")] = 0.05
    resamples: Annotated[
        int, Field(ge=100, le=100_000, description="number of random swaps, and of resamples for the interval")
    ] = 1000

    @model_validator(mode="before")
    @classmethod
    def _without_kind(cls, values: Any) -> Any:
        if isinstance(values, dict) and "kind" in values:
            raise ValueError(
                "the key kind no longer exists; delete it. One permutation test replaces bootstrap and mcnemar: it is "
                "for every metric, and for accuracy without groups it is McNemar's test"
            )
        return values


class Promote(Section):
    """The name of the registered model, and the gates that a challenger must pass on the current test set."""

    model_name: Annotated[
        Name,
        Field(
            description="the model's name in MLflow's registry; by default the project's, without `transferline init` "
            "the dataset's"
        ),
    ]
    min_improvement: Annotated[
        float, Field(ge=0, description="the least improvement of select.metric; it must also be more than noise")
    ] = 0.0
    min_value: Annotated[
        float, Field(ge=0, description="the least select.metric of the first champion (for a loss: the largest)")
    ] = 0.8
    max_class_drop: Annotated[
        Fraction,
        Field(description="the largest loss of a class's recall (segmentation: IoU), beyond noise"),
    ] = 0.1
    test: Annotated[
        SignificanceTest, Field(description="the statistical test that distinguishes an improvement from noise")
    ] = SignificanceTest()
    new_classes: Annotated[
        NewClasses,
        Field(
            description="if there are new classes, the old ones must be: better (require), not worse (allow), anything "
            "(ignore)"
        ),
    ] = "allow"
    max_calibration_error: Annotated[
        Limit | None, Field(description="largest expected calibration error; null: no limit")
    ] = None
    max_latency_ms: Annotated[
        Limit | None, Field(description="largest median latency on this machine, ms per image; null: no limit")
    ] = None
    max_size_mb: Annotated[Limit | None, Field(description="largest model file in megabytes; null: no limit")] = None
    min_corruption_accuracy: Annotated[
        Limit | None, Field(description="least metric under evaluate.robustness.corruptions; null: no limit")
    ] = None
    min_adversarial_accuracy: Annotated[
        Limit | None, Field(description="least metric under evaluate.robustness.adversarial; null: no limit")
    ] = None
    min_confident_share: Annotated[
        ConfidentShare | None, Field(description="least share of test images above a confidence; null: no limit")
    ] = None
