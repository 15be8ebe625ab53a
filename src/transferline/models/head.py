"""Heads: pooling and the layers from pooled features to logits."""

from typing import Any

import keras
from keras import layers

from transferline.params import Head

POOLING = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}


def pool(feature_map: Any, kind: str) -> Any:
    """Pools a feature map (n, height, width, channels) to (n, channels); `kind` is avg or max."""
    return POOLING[kind](name="pool")(feature_map)


def build_head(features: int, head: Head, problem: str, classes: int) -> keras.Model:
    """Dropout and dense layers from pooled features, (n, features), to logits.

    Returns:
        A model with outputs (n, 1) for a binary problem, the logit of the second class, else (n, classes).
    """
    pooled = x = layers.Input((features,), name="features")
    for index, units in enumerate(head.hidden, 1):
        x = layers.Dropout(head.dropout, name=f"head_dropout_{index}")(x)
        x = layers.Dense(units, "relu", name=f"head_hidden_{index}")(x)
    x = layers.Dropout(head.dropout, name="head_dropout")(x)
    logits = layers.Dense(1 if problem == "binary" else classes, name="head_logits")(x)
    return keras.Model(pooled, logits, name="head")
