"""Linear heads on frozen features, for questions that need many of them: logistic regression, solved by L-BFGS."""

import numpy as np

from transferline.arrays import Array, Counts, Flags, Floats

COMPONENTS = 128
STRENGTHS = (1.0, 3.0, 10.0, 30.0)  # of L2, for components of which the first one has the variance 1
MANY_IMAGES = 5000
SOLVER = {"max_iter": 300, "tol": 1e-3}


def repeats(images: int, most: int) -> int:
    """Returns how often heads are trained with other folds: `most`, but once for many images, which vary less."""
    return most if images <= MANY_IMAGES else 1


def components(features: Array) -> Floats:
    """Returns the first principal components of features, (n, at most `COMPONENTS`), with the variance 1 in the first.

    No label is used. Fewer values make a head about ten times as quick; its accuracy is about the same.

    Args:
        features: (n, length), n ≥ 2.
    """
    from sklearn.decomposition import PCA

    with np.errstate(invalid="ignore"):  # features that are all the same have no shares of variance
        reduced = PCA(min(COMPONENTS, *features.shape), random_state=0).fit_transform(features.astype(np.float32))
    return np.asarray(reduced / max(float(reduced[:, 0].std()), 1e-12))


def probabilities_of(train: Floats, answers: Counts, held_out: Floats, count: int, l2: float) -> Floats:
    """Fits a head and returns its probabilities for other images, (m, count).

    It minimizes the sum of the cross-entropies, plus l2 / 2 times the squared norm of the kernel.

    Args:
        train: (n, values).
        answers: (n,) the number of each image's class, 0 to `count` - 1, n ≥ 0. A class without images has the
            probability 0.
        held_out: (m, values).
        count: the number of classes.
        l2: the strength of L2.
    """
    from sklearn.linear_model import LogisticRegression

    found, present = np.zeros((len(held_out), count)), np.unique(answers)
    if len(present) < 2:
        found[:, present] = 1
        return found
    head = LogisticRegression(C=1 / l2, **SOLVER)
    found[:, present] = head.fit(train, answers).predict_proba(held_out)
    return found


def out_of_fold(values: Floats, answers: Counts, fold: Counts, count: int, l2: float) -> Floats:
    """Returns probabilities of each image, (n, count), from a head that did not train on its fold; see `folds`."""
    found = np.zeros((len(values), count))
    for number in np.unique(fold):
        held_out: Flags = fold == number
        found[held_out] = probabilities_of(values[~held_out], answers[~held_out], values[held_out], count, l2)
    return found


def best_strength(values: Floats, answers: Counts, fold: Counts, count: int) -> float:
    """Returns the strength of L2 with the lowest log loss out of fold."""

    def log_loss(l2: float) -> float:
        given = out_of_fold(values, answers, fold, count, l2)[np.arange(len(answers)), answers]
        return float(-np.log(np.maximum(given, 1e-12)).mean())

    return min(STRENGTHS, key=log_loss)
