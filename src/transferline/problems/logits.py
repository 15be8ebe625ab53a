"""Probabilities, losses and gradients from logits, in NumPy: for exclusive classes and for independent labels."""

import numpy as np

from transferline.arrays import Array


class ExclusiveClasses:
    """Each image has one of the classes: the probabilities are the softmax of the logits, (n, classes)."""

    activation = "softmax"

    def probabilities(self, logits: Array) -> Array:
        """Returns probabilities, (n, classes), from logits, (n, classes)."""
        from scipy.special import softmax

        return np.asarray(softmax(logits.astype(np.float64), axis=1))

    def indicators(self, targets: Array, outputs: int) -> Array:
        """Returns 0 or 1 for each output, (n, outputs) float32, from the class of each image, (n, 1)."""
        return np.eye(outputs, dtype=np.float32)[targets[:, 0]]

    def cross_entropies(self, logits: Array, indicators: Array) -> tuple[Array, Array]:
        """Returns the cross-entropy of each image, (n, 1), and its gradient by the logits, (n, outputs)."""
        from scipy.special import logsumexp, softmax

        losses = logsumexp(logits, axis=1, keepdims=True) - (logits * indicators).sum(axis=1, keepdims=True)
        return losses, softmax(logits, axis=1) - indicators


class IndependentLabels:
    """The logits are independent: the sigmoid of each is the probability of a label, or of the second of two
    classes."""

    activation = "sigmoid"

    def probabilities(self, logits: Array) -> Array:
        """Returns probabilities, (n, outputs), from logits, (n, outputs)."""
        from scipy.special import expit

        return np.asarray(expit(logits.astype(np.float64)))

    def indicators(self, targets: Array, outputs: int) -> Array:
        """Returns the targets, which are 0 or 1 for each output, (n, outputs) float32."""
        return targets.astype(np.float32)

    def cross_entropies(self, logits: Array, indicators: Array) -> tuple[Array, Array]:
        """Returns the cross-entropy of each image and output, and its gradient by the logit, (n, outputs) each."""
        from scipy.special import expit

        return np.logaddexp(0, logits) - indicators * logits, expit(logits) - indicators
