"""The section `train` of a segmentation network."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from transferline.params.training import (
    Adam,
    BatchSize,
    Cosine,
    EndToEndTraining,
    Epochs,
    MegapixelsField,
    OptimizerField,
    ScheduleField,
    StoppingField,
)


class SegmentationTraining(EndToEndTraining):
    """How a segmentation network trains.

    After the frozen epochs, the whole network is trained from the best weights, with a new optimizer and schedule.
    """

    epochs: Epochs = 30
    batch_size: BatchSize = 8
    optimizer: OptimizerField = Adam(name="adam", learning_rate=1e-3)
    schedule: ScheduleField = Cosine(kind="cosine", warmup_epochs=1)
    early_stopping: StoppingField = None
    max_megapixels: MegapixelsField = 1000.0
    frozen_epochs: Annotated[
        int, Field(ge=0, description="the number of first epochs in which the encoder is frozen; 0: none")
    ] = 0
    dice: Annotated[float, Field(ge=0, description="the factor of the soft Dice loss that is added to loss")] = 0.5

    def with_epochs(self, epochs: int) -> Self:
        """Returns these params with another number of epochs, and as many frozen ones in proportion, rounded up.

        At least one epoch trains the whole network, unless all epochs of these params are frozen.
        """
        most = epochs if self.frozen_epochs == self.epochs else epochs - 1
        frozen_epochs = min(most, math.ceil(self.frozen_epochs * epochs / self.epochs))
        return super().with_epochs(epochs).model_copy(update={"frozen_epochs": frozen_epochs})

    @model_validator(mode="after")
    def _frozen_part_of_the_epochs(self) -> Self:
        if self.frozen_epochs > self.epochs:
            raise ValueError(f"frozen_epochs is {self.frozen_epochs}; it must be at most epochs, {self.epochs}")
        if isinstance(self.schedule, Cosine):
            for epochs in (self.frozen_epochs, self.epochs - self.frozen_epochs):
                if 0 < epochs <= self.schedule.warmup_epochs:
                    raise ValueError(
                        f"schedule.warmup_epochs is {self.schedule.warmup_epochs}; it must be below {epochs}, since "
                        "the frozen epochs and the other ones have a schedule each"
                    )
        return self
