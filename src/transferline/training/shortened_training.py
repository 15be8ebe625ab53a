"""Fewer epochs, so that a training keeps `max_megapixels`."""

from typing import TypeVar

from transferline.models.exported import ModelCard
from transferline.params import TimedTraining
from transferline.progress import say

Timed = TypeVar("Timed", bound=TimedTraining)


def shortened(training: Timed, views_per_epoch: int, card: ModelCard) -> Timed:
    """Returns the params with the epochs that `max_megapixels` allows, and prints the numbers of epochs that change."""
    found = training.within(views_per_epoch * card.image.size**2)
    if found.epochs < training.epochs:
        both = [(name, value, getattr(found, name)) for name, value in training if name in ("epochs", "frozen_epochs")]
        numbers = [f"{name} {before} → {after}" for name, before, after in both if before != after]
        say(f"{card.phase}: max_megapixels {training.max_megapixels:g} shortens the training: {', '.join(numbers)}")
    return found
