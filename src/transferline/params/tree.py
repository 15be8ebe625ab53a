"""The whole of `params.yaml`, and the sections about what comes after training."""

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
    """Where `validate`, `extract` and `evaluate` do the work that falls into shards; the results are the same."""

    engine: Annotated[
        Literal["local", "dask"], Field(description="local: in the stage's process; dask: by workers")
    ] = "local"
    address: Annotated[
        Annotated[str, Field(pattern=r"^(tcp|tls|ws|wss)://")] | None,
        Field(description="Dask's scheduler, such as tcp://host:8786; its workers need this project's files and data"),
    ] = None
    workers: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="Dask's processes on this machine, where there is no address; null: one for each core"),
    ] = None

    @model_validator(mode="after")
    def _settings_where_they_mean_something(self) -> Self:
        if self.engine == "local" and (self.address or self.workers):
            raise ValueError("address and workers are for engine: dask; leave them out with local")
        if self.address and self.workers:
            raise ValueError("workers is for a cluster on this machine; a scheduler at an address has its own")
        return self


class OwnMetric(Section):
    """A metric of your own: a function in a file of `own_metrics/`, see there."""

    function: Annotated[
        str, Field(pattern=r"^own_metrics\.\w+:[A-Za-z]\w*$", description="as own_metrics.file:function")
    ]
    best: Annotated[Literal["lowest", "highest"], Field(description="which value is the best")]

    @property
    def name(self) -> str:
        """That of the function."""
        return self.function.partition(":")[2]


class Evaluate(Section):
    """What the evaluation of a model computes and shows."""

    seed: Annotated[int, Field(ge=0, description="fixes what is drawn")] = 7
    bootstrap: Annotated[int, Field(ge=100, le=100_000, description="resamples of the confidence intervals")] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1, description="the level of the confidence intervals")] = 0.95
    gallery: Annotated[int, Field(ge=1, le=100, description="how many of the worst mistakes are shown")] = 24
    robustness: Annotated[
        Robustness | None, Field(description="damaged and attacked images; null: images are taken as they are")
    ] = None
    metrics: Annotated[tuple[OwnMetric, ...], Field(description="metrics of your own, from files in own_metrics/")] = ()


class Thresholds(Section):
    """From which probability on a label of a multilabel problem counts as present."""

    kind: Annotated[
        Literal["fixed", "per_class"],
        Field(description="fixed: value for all classes; per_class: the one with the best F1 on validation"),
    ] = "per_class"
    value: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, Field(description="the threshold of kind fixed")] = (
        None
    )
    argmax_fallback: Annotated[
        bool, Field(description="an image always has a label: the most probable one where none passes")
    ] = False

    @model_validator(mode="after")
    def _value_where_it_is_fixed(self) -> Self:
        if (self.kind == "fixed") != (self.value is not None):
            raise ValueError("value goes with kind: fixed, and only with it")
        return self


class Select(Section):
    """How the best candidate is chosen, on validation."""

    metric: Annotated[
        Name,
        Field(
            description="the metric on validation that chooses the best candidate: one of the kind of problem, or the "
            "function of one of your own"
        ),
    ]


class Record(Section):
    """Where MLflow keeps runs and models."""

    tracking_uri: Annotated[
        str,
        Field(
            pattern=r"^(sqlite|postgresql|mysql|mssql|https?)(\+\w+)?://",
            description="MLflow's store: a database, or the address of a server",
        ),
    ] = "sqlite:///mlruns/mlflow.db"
    experiment: Annotated[
        Name, Field(description="where MLflow compares the candidates; by default the dataset's name")
    ]


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**31, description="fixes what is random in training")] = 7
    data: Annotated[Data, Field(description="what is trained on")]
    # `validate` is also a deprecated method of pydantic's models, hence the alias
    validate_: Annotated[
        Validate, Field(alias="validate", description="what a dataset must be like to be trained on")
    ] = Validate()
    augment: Annotated[
        Augment, Field(description="the ranges from which the parameters of a view are drawn, evenly")
    ] = Augment()
    candidates: Annotated[dict[Name, Candidate], Field(min_length=1, description="the models to try, by name")]
    thresholds: Annotated[
        Thresholds | None, Field(description="from which probability on a label counts (multilabel only, else null)")
    ]
    evaluate: Annotated[Evaluate, Field(description="what the evaluation of a model computes and shows")] = Evaluate()
    select: Annotated[Select, Field(description="how the best candidate is chosen")]
    promote: Annotated[Promote, Field(description="what a model has to be like to become the champion")]
    record: Annotated[Record, Field(description="where MLflow keeps runs and models")]
    compute: Annotated[Compute, Field(description="where validate, extract and evaluate do their work")] = Compute()

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
