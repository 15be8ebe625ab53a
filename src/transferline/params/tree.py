"""The whole of `params.yaml`, and the sections about what comes after training."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from transferline.params.candidate import Candidate, DeepLab
from transferline.params.data import Augment, Data, Validate
from transferline.params.problem_kinds import KINDS
from transferline.params.promote import Promote
from transferline.params.robustness import Robustness
from transferline.params.section import Name, Section


class Compute(Section):
    """Where `validate`, `extract` and `evaluate` do the work that falls into shards; the results are the same.

    `local`: in the stage's process. `dask`: by the workers of the scheduler at `address` (tcp://host:8786), which run
    in a folder with this project's files and data; without an address by `workers` processes on this machine, as many
    as it has cores if null.
    """

    engine: Literal["local", "dask"] = "local"
    address: Annotated[str, Field(pattern=r"^(tcp|tls|ws|wss)://")] | None = None
    workers: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _settings_where_they_mean_something(self) -> Self:
        if self.engine == "local" and (self.address or self.workers):
            raise ValueError("address and workers are for engine: dask; leave them out with local")
        if self.address and self.workers:
            raise ValueError("workers is for a cluster on this machine; a scheduler at an address has its own")
        return self


class OwnMetric(Section):
    """A metric of your own: a `function` in a file of `own_metrics/`, see there, and whether its `best` value is the
    lowest or the highest."""

    function: Annotated[str, Field(pattern=r"^own_metrics\.\w+:[A-Za-z]\w*$")]
    best: Literal["lowest", "highest"]

    @property
    def name(self) -> str:
        """That of the function."""
        return self.function.partition(":")[2]


class Evaluate(Section):
    """`bootstrap` resamples give the `confidence` intervals; `gallery` is the number of worst mistakes shown;
    `robustness` is null where the images are only taken as they are; `metrics` are those of your own."""

    seed: Annotated[int, Field(ge=0)]
    bootstrap: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    gallery: Annotated[int, Field(ge=1, le=100)]
    robustness: Robustness | None = None
    metrics: tuple[OwnMetric, ...] = ()


class Thresholds(Section):
    """From which probability on a label of a multilabel problem counts as present.

    `fixed`: `value` for all classes; `per_class`: the one with the best F1 on validation, found after each training.
    With `argmax_fallback` an image always has a label: the most probable one where none passes.
    """

    kind: Literal["fixed", "per_class"]
    value: Annotated[float, Field(gt=0, lt=1)] | None = None
    argmax_fallback: bool = False

    @model_validator(mode="after")
    def _value_where_it_is_fixed(self) -> Self:
        if (self.kind == "fixed") != (self.value is not None):
            raise ValueError("value goes with kind: fixed, and only with it")
        return self


class Select(Section):
    """The metric of validation that chooses the best candidate: one of its kind of problem, or one of your own, by the
    name of its function in `evaluate.metrics`."""

    metric: Name


class Record(Section):
    """Where MLflow keeps runs and models, and the experiment in which the candidates are compared."""

    tracking_uri: Annotated[str, Field(pattern=r"^(sqlite|postgresql|mysql|mssql|https?)(\+\w+)?://")]
    experiment: Name


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    data: Data
    # `validate` is also a deprecated method of pydantic's models, hence the alias
    validate_: Annotated[Validate, Field(alias="validate")]
    augment: Augment
    candidates: Annotated[dict[Name, Candidate], Field(min_length=1)]
    thresholds: Thresholds | None
    evaluate: Evaluate
    select: Select
    promote: Promote
    record: Record
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _thresholds_fit_the_problem(self) -> Self:
        needs_thresholds = KINDS[self.data.problem].several_labels
        if needs_thresholds != (self.thresholds is not None):
            raise ValueError(
                f"thresholds: data.problem is {self.data.problem}; "
                + ("give thresholds, such as {kind: per_class}" if needs_thresholds else "set thresholds to null")
            )
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
                    f"candidates.{name}.kind: {candidate.kind} is none for a {self.data.problem} problem; "
                    f"allowed {'is deeplab_v3_plus' if kind.has_masks else 'are pretrained and end_to_end'}"
                )
            for stage in ("train_head", "fine_tune", "train"):
                training = getattr(candidate, stage)
                if training and training.monitor not in allowed:
                    raise ValueError(
                        f"candidates.{name}.{stage}.monitor: {training.monitor} is none for a {self.data.problem} "
                        f"problem; allowed are {', '.join(allowed)}"
                    )
        return self
