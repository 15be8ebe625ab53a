"""Optimizers and schedules of the learning rate."""

from typing import Any

import keras

from transferline.params import Cosine, Training


def build_optimizer(training: Training, steps: int) -> keras.Optimizer:
    """Returns the Keras optimizer of a stage's params, for epochs of `steps` batches."""
    settings = training.optimizer.model_dump()
    if not settings.get("weight_decay"):
        settings.pop("weight_decay", None)
    constructor = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
    build = constructor[settings.pop("name")]
    optimizer = build(**{**settings, "learning_rate": _learning_rate(training, steps)})
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _learning_rate(training: Training, steps: int) -> Any:
    highest, schedule = training.optimizer.learning_rate, training.schedule
    if not isinstance(schedule, Cosine):
        return highest
    is_short = schedule.warmup_epochs == training.epochs == 1  # see `TimedTraining.with_epochs`
    warmup_steps = round(steps / 10) if is_short else schedule.warmup_epochs * steps
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=training.epochs * steps - warmup_steps,
        alpha=schedule.final_fraction,
        warmup_target=highest,
        warmup_steps=warmup_steps,
    )
