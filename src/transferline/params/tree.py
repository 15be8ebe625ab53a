"""The model of the whole `params.yaml`, and its sections about evaluation, selection, MLflow and compute."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.augment import Augment
from transferline.params.candidate import Candidate, DeepLab
from transferline.params.data import Data
from transferline.params.problem_kinds import KINDS
from transferline.params.promote import Promote
from transferline.params.robustness import Robustness
from transferline.params.section import Name, Section
from transferline.params.validate import Validate


class Compute(Section):
    """Where `validate`, `extract`, `evaluate` and `insight` compute their shards. The results do not depend on it."""

    engine: Annotated[
        Literal["local", "dask"], Field(description="local: on this machine, without Dask; dask: on Dask workers")
    ] = "local"
    address: Annotated[
        Annotated[str, Field(pattern=r"^(tcp|tls|ws|wss)://")] | None,
        Field(description="Dask scheduler, such as tcp://host:8786; its workers need this project's files and data"),
    ] = None
    workers: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="number of Dask workers on this machine, without address; null: one per core"),
    ] = None

    @model_validator(mode="after")
    def _settings_where_they_mean_something(self) -> Self:
        if self.engine == "local" and (self.address or self.workers):
            raise ValueError("address and workers are only for engine: dask; leave them out for local")
        if self.address and self.workers:
            raise ValueError("workers is only for Dask on this machine; leave it out if address is given")
        return self


class OwnMetric(Section):
    """Your own metric: a function in a file in `own_metrics/`. The docstring of that package lists the requirements."""

    function: Annotated[
        str,
        Field(
            pattern=r"^own_metrics\.\w+:[A-Za-z]\w*$",
            description="the import path of a function: own_metrics.FILE:FUNCTION",
        ),
    ]
    best: Annotated[Literal["lowest", "highest"], Field(description="which value of the metric is the best")]

    @property
    def name(self) -> str:
        """The name of the metric, which is the function's name."""
        return self.function.partition(":")[2]


class Evaluate(Section):
    """The content of a model's evaluation."""

    seed: Annotated[int, Field(ge=0, description="the random seed of the evaluation")] = 7
    bootstrap: Annotated[
        int, Field(ge=100, le=100_000, description="number of bootstrap resamples for confidence intervals")
    ] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="the level of the confidence intervals")] = 0.95
    gallery: Annotated[int, Field(ge=1, le=100, description="how many of the worst errors are shown")] = 24
    robustness: Annotated[
        Robustness | None, Field(description="evaluation on corrupted and attacked images; null: none")
    ] = None
    metrics: Annotated[tuple[OwnMetric, ...], Field(description="your own metrics, from files in own_metrics/")] = ()


class Reject(Section):
    """The promise of a model that may predict no label: with 95 % confidence, at most a share of its labels is wrong.

    The share is promised for images as those of validation. 0.02 needs at least 183 validation images (with
    `data.split.group`: groups) that get a label. If there are fewer, the model keeps the best promise that is possible
    and names it.
    """

    error: Annotated[
        float,
        Field(gt=0, lt=1, description="the largest share of wrong labels among the images that get a label"),
    ]


class Thresholds(Section):
    """When a label is predicted.

    In a multilabel problem a label is predicted if its probability reaches its class's threshold (`kind`, `value`,
    `argmax_fallback`). In a problem with one label, the most probable class is predicted, unless `reject` sets a limit
    on its probability. A segmentation has neither.
    """

    kind: Annotated[
        Literal["fixed", "per_class"] | None,
        Field(description="multilabel: fixed (value for all) or per_class (best F1 on validation); else null"),
    ] = None
    value: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | None, Field(description="the threshold, for kind fixed; else null")
    ] = None
    argmax_fallback: Annotated[
        bool, Field(description="multilabel: predict the most probable label if no label reaches its threshold")
    ] = False
    reject: Annotated[
        Reject | None,
        Field(description="one label: {error: 0.02} gives no label to unsure images; null: every image gets one"),
    ] = None

    @model_validator(mode="after")
    def _value_where_it_is_fixed(self) -> Self:
        if (self.kind == "fixed") != (self.value is not None):
            raise ValueError("kind: fixed needs value; other kinds must not have it")
        return self


class Novelty(Section):
    """When an image counts as unlike the training images, so that no label is predicted.

    The distance to the training images is measured for every model that has a vector before its last layer.
    """

    false_alarms: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description="the largest share of the validation images that may count as unlike the training images",
        ),
    ] = 0.01


class Select(Section):
    """How the best candidate is chosen on the validation split."""

    metric: Annotated[
        Name, Field(description="the metric on validation that chooses the best candidate; can be your own")
    ]


class Record(Section):
    """Where MLflow stores runs and models."""

    tracking_uri: Annotated[
        str,
        Field(
            pattern=r"^(sqlite|postgresql|mysql|mssql|https?)(\+\w+)?://",
            description="MLflow's store: a database, or the address of a server",
        ),
    ] = "sqlite:///mlruns/mlflow.db"
    experiment: Annotated[
        Name,
        Field(description="the MLflow experiment of the runs; by default the name of the project"),
    ]


class Params(Section):
    """The content of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**31, description="the random seed of the trainings")] = 7
    data: Annotated[Data, Field(description="the dataset, its labels and its splits")]
    # The alias is needed because `validate` is a deprecated method of pydantic's models.
    validate_: Annotated[
        Validate, Field(alias="validate", description="the requirements for a dataset before training")
    ] = Validate()
    augment: Annotated[
        Augment, Field(description="the ranges from which the parameters of a view are drawn, uniformly")
    ] = Augment()
    candidates: Annotated[
        dict[Name, Candidate], Field(min_length=1, description="the models to train and compare, by name")
    ]
    thresholds: Annotated[
        Thresholds | None, Field(description="when a label is predicted; null: always the most probable class")
    ]
    novelty: Annotated[
        Novelty | None,
        Field(
            description="when an image is unlike the training images and gets no label, such as {false_alarms: 0.01}; "
            "null: never"
        ),
    ] = None
    evaluate: Annotated[Evaluate, Field(description="the content of a model's evaluation")] = Evaluate()
    select: Annotated[Select, Field(description="how the best candidate is chosen")]
    promote: Annotated[Promote, Field(description="the gates that a challenger must pass to become the champion")]
    record: Annotated[Record, Field(description="where MLflow stores runs and models")]
    compute: Annotated[
        Compute, Field(description="where validate, extract, evaluate and insight run: here, or on Dask workers")
    ] = Compute()

    @model_validator(mode="after")
    def _thresholds_fit_the_problem(self) -> Self:
        kind, thresholds, problem = KINDS[self.data.problem], self.thresholds, f"data.problem is {self.data.problem}"
        if kind.has_masks and thresholds:
            raise ValueError(f"thresholds: {problem}, in which each pixel gets a class; set thresholds to null")
        if kind.several_labels and (thresholds is None or thresholds.kind is None):
            raise ValueError(f"thresholds.kind: {problem}; give thresholds, such as {{kind: per_class}}")
        if kind.several_labels and thresholds and thresholds.reject:
            raise ValueError(f"thresholds.reject: {problem}, in which each label has a threshold; set reject to null")
        if not kind.several_labels and thresholds and (thresholds.kind or thresholds.argmax_fallback):
            raise ValueError(
                f"thresholds: {problem}, in which an image has one label; set kind and value to null and "
                "argmax_fallback to false. Only reject is possible"
            )
        return self

    @model_validator(mode="after")
    def _novelty_fits_the_problem(self) -> Self:
        if self.novelty and KINDS[self.data.problem].has_masks:
            raise ValueError(f"novelty: data.problem is {self.data.problem}, which has no such limit; set it to null")
        return self

    @model_validator(mode="after")
    def _candidates_fit_the_problem(self) -> Self:
        kind = KINDS[self.data.problem]
        allowed = ("val_loss", f"val_{kind.main_metric}")
        robustness = self.evaluate.robustness
        if kind.has_masks and robustness and "rotation" in (robustness.corruptions or ()):
            raise ValueError(
                "evaluate.robustness.corruptions: rotation moves pixels away from their labels; for segmentation list "
                "the others, or set corruptions to null"
            )
        for name, candidate in self.candidates.items():
            if isinstance(candidate, DeepLab) != kind.has_masks:
                raise ValueError(
                    f"candidates.{name}.kind: {candidate.kind} is not possible for a {self.data.problem} problem; "
                    f"allowed {'is deeplab_v3_plus' if kind.has_masks else 'are pretrained and end_to_end'}"
                )
            for stage in ("train_head", "fine_tune", "train"):
                training = getattr(candidate, stage)
                if training and training.monitor not in allowed:
                    raise ValueError(
                        f"candidates.{name}.{stage}.monitor: {training.monitor} is not possible for "
                        f"a {self.data.problem} problem; allowed are {', '.join(allowed)}"
                    )
        return self
