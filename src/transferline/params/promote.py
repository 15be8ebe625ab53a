"""The section `promote`: what a challenger has to be like to become the champion."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.section import Fraction, Name, Section


class Limit(Section):
    """A limit of a figure: an `absolute` value, or one `relative` to the champion's figure, as a factor (1.1 allows a
    tenth more). A relative limit does not apply while there is no champion."""

    absolute: Annotated[float, Field(ge=0)] | None = None
    relative: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.absolute is None) == (self.relative is None):
            raise ValueError("give either absolute or relative")
        return self


class SignificanceTest(Section):
    """How noise is told from an improvement, two-sided at `level`.

    `bootstrap`: images are drawn with replacement, `resamples` times, the same ones for both models; the interval of
    the difference must lie above 0. Works for every metric. `mcnemar`: the exact test on the images that only one of
    the two gets right; for shares of images, such as accuracy and subset_accuracy.
    """

    kind: Literal["bootstrap", "mcnemar"] = "bootstrap"
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000


class Promote(Section):
    """The registered model's name, and the gates that a challenger has to pass on today's test set.

    `select.metric` must improve beyond noise (`test`), and by at least `min_improvement`; without a champion it must
    reach `min_value` (of a loss: not exceed it). No class may lose more than `max_class_drop` of its recall (of
    segmentation: its IoU), as far as the interval of its loss can tell. The other limits are off where they are null:
    expected calibration error, milliseconds for one image (median, both models measured in turn on this machine),
    megabytes of the model file, and test accuracy (multilabel: mean average precision; segmentation: mean IoU) under
    the corruptions and the attacks of the evaluation, see `evaluate.robustness`.
    """

    model_name: Name
    min_improvement: Annotated[float, Field(ge=0)]
    min_value: Annotated[float, Field(ge=0)]
    max_class_drop: Fraction
    test: SignificanceTest = SignificanceTest()
    max_calibration_error: Limit | None = None
    max_latency_ms: Limit | None = None
    max_size_mb: Limit | None = None
    min_corruption_accuracy: Limit | None = None
    min_adversarial_accuracy: Limit | None = None
