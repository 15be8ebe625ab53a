"""What validation decides after a training: the temperature, the thresholds of labels, and the limit on confidence."""

from typing import Any

import numpy as np

from transferline.metrics.rejection import choose_rejection, promise
from transferline.metrics.thresholds import choose_thresholds
from transferline.models.exported import ModelCard
from transferline.params import Thresholds
from transferline.params.problem_kinds import KINDS
from transferline.problems.training import label_training_of, training_of
from transferline.progress import say
from transferline.training.batches import Batches
from transferline.training.temperature import fit_temperature


def decide_on_validation(card: ModelCard, params: Thresholds | None, model: Any, validation: Batches) -> ModelCard:
    """Returns a card with the temperature, and with the thresholds and the rejection that `params` ask for.

    Args:
        card: the card of the model.
        params: the section `thresholds`.
        model: takes the inputs of `validation` and returns logits.
        validation: validation batches.
    """
    kind = training_of(card.problem)
    logits, targets = kind.held_out(model, validation)
    temperature = fit_temperature(kind, logits, targets)
    changes: dict[str, Any] = {"temperature": temperature}
    say(f"{card.candidate} {card.phase}: temperature {temperature:.3f}")
    if params and KINDS[card.problem].several_labels:
        likely = label_training_of(card.problem).probabilities(logits / temperature)
        changes["thresholds"] = choose_thresholds(targets.astype(bool), likely, params)
        changes["argmax_fallback"] = params.argmax_fallback
    if params and params.reject:
        likely = label_training_of(card.problem).probabilities(logits / temperature).astype(np.float32)
        changes["rejection"] = choose_rejection(likely, targets[:, 0], validation.groups, params.reject.error)
        say(f"{card.candidate} {card.phase}: {promise(changes['rejection'])}")
    return card.model_copy(update=changes)
