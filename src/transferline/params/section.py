"""The base class of the sections of `params.yaml`, and types that several sections use."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Split = Literal["train", "validation", "test"]
Severity = Literal["quarantine", "warn", "fail"]
Problem = Literal["binary", "multiclass", "multilabel", "segmentation"]
Views = Literal["untouched", "flipped", "augmented"]


class Section(BaseModel):
    """A section of `params.yaml`: frozen, strict, and without unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
