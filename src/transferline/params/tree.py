"""The whole of `params.yaml`, and the sections about what comes after training."""

from typing import Annotated, Literal

from pydantic import Field

from transferline.params.base import Name, Section
from transferline.params.candidate import Pretrained
from transferline.params.data import Augment, Data, Validate


class Evaluate(Section):
    """`bootstrap` resamples give the `confidence` intervals; `gallery` is the number of worst mistakes shown."""

    seed: Annotated[int, Field(ge=0)]
    bootstrap: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    gallery: Annotated[int, Field(ge=1, le=100)]


class Select(Section):
    """The validation metric that chooses the best candidate (log_loss: the lowest, else the highest)."""

    metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss"]


class Promote(Section):
    """The registered model's name, and by how much a challenger must beat the champion on today's test set."""

    model_name: Name
    min_improvement: Annotated[float, Field(ge=0)]


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
    candidates: Annotated[dict[Name, Pretrained], Field(min_length=1)]
    evaluate: Evaluate
    select: Select
    promote: Promote
    record: Record
