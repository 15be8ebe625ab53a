"""From logits to probabilities, losses and gradients, in NumPy: for classes that exclude each other, and for labels."""

import numpy as np

from transferline.arrays import Array


class ExclusiveClasses:
    """Each image has one of the classes: logits (n, classes), whose softmax are the probabilities."""

    activation = "softmax"

    def probabilities(self, logits: Array) -> Array:
        """(n, classes), from logits (n, classes)."""
        from scipy.special import softmax

        return np.asarray(softmax(logits.astype(np.float64), axis=1))

    def indicators(self, targets: Array, outputs: int) -> Array:
        """0 or 1 for each output, (n, outputs) float32, from the class of each image, (n, 1)."""
        return np.eye(outputs, dtype=np.float32)[targets[:, 0]]

    def cross_entropies(self, logits: Array, indicators: Array) -> tuple[Array, Array]:
        """Of each image, (n, 1), and their slopes by the logits, (n, outputs)."""
        from scipy.special import logsumexp, softmax

        losses = logsumexp(logits, axis=1, keepdims=True) - (logits * indicators).sum(axis=1, keepdims=True)
        return losses, softmax(logits, axis=1) - indicators


class IndependentLabels:
    """Each logit stands by itself: its sigmoid is the probability of a label, or of the second of two classes."""

    activation = "sigmoid"

    def probabilities(self, logits: Array) -> Array:
        """(n, outputs), from logits (n, outputs)."""
        from scipy.special import expit

        return np.asarray(expit(logits.astype(np.float64)))

    def indicators(self, targets: Array, outputs: int) -> Array:
        """The targets, which are 0 or 1 for each output, (n, outputs) float32."""
        return targets.astype(np.float32)

    def cross_entropies(self, logits: Array, indicators: Array) -> tuple[Array, Array]:
        """Of each image and output, and their slopes by the logits, (n, outputs) each."""
        from scipy.special import expit

        return np.logaddexp(0, logits) - indicators * logits, expit(logits) - indicators
