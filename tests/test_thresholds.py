"""The thresholds of multilabel problems."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from transferline.metrics.thresholds import choose_thresholds, decide_labels
from transferline.params import Thresholds

PER_CLASS = Thresholds(kind="per_class")


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


@pytest.mark.parametrize(
    ("truth", "probabilities", "threshold"),
    [
        # apart: the middle of the gap between the lowest positive and the highest negative
        (column(0, 0, 1, 1), column(0.1, 0.2, 0.6, 0.9), 0.4),
        # F1 from the highest probability down: 1/2, 4/5, 2/3, 6/7
        (column(0, 1, 1, 1), column(0.6, 0.2, 0.7, 0.9), 0.1),
        # 0.3 and 0.8 both give 2/3; the gap from 0.3 to 0.8 is wider than that from 0 to 0.3
        (column(1, 0, 0, 1), column(0.3, 0.3, 0.3, 0.8), 0.55),
        # each image has the class, or none has it: they cannot show the threshold
        (column(1, 1), column(0.7, 0.9), 0.5),
        (column(0, 0), column(0.7, 0.9), 0.5),
    ],
    ids=["apart", "low", "tie", "all", "none"],
)
def test_threshold_with_the_highest_f1(truth: np.ndarray, probabilities: np.ndarray, threshold: float) -> None:
    assert choose_thresholds(truth.astype(bool), probabilities, PER_CLASS) == pytest.approx((threshold,))


def test_no_threshold_of_a_fine_grid_is_better() -> None:
    random = np.random.default_rng(3)
    truth = random.random((80, 5)) < (0.05, 0.1, 0.3, 0.5, 0.9)
    probabilities = np.clip(random.normal(0.4, 0.2, (80, 5)) + 0.2 * truth, 0, 1).astype(np.float32)
    thresholds = choose_thresholds(truth, probabilities, PER_CLASS)
    found = [f1_score(*pair) for pair in zip(truth.T, decide_labels(probabilities, thresholds, False).T, strict=True)]
    for place, best in enumerate(found):
        others = [f1_score(truth[:, place], probabilities[:, place] >= at) for at in np.linspace(0, 1, 60)]
        assert best >= max(others) - 1e-12


def test_fixed_thresholds_do_not_look_at_the_images() -> None:
    truth = np.random.default_rng(0).random((6, 3)) < 0.5
    assert choose_thresholds(truth, truth * 0.9, Thresholds(kind="fixed", value=0.15)) == (0.15, 0.15, 0.15)


def test_decisions_with_and_without_a_label_for_every_image() -> None:
    probabilities = np.array([[0.6, 0.2], [0.5, 0.7], [0.1, 0.2], [0.4, 0.4]], np.float32)
    without = decide_labels(probabilities, (0.5, 0.7), argmax_fallback=False)
    assert without.tolist() == [[True, False], [True, False], [False, False], [False, False]]
    filled = decide_labels(probabilities, (0.5, 0.7), argmax_fallback=True)
    assert filled.tolist() == [[True, False], [True, False], [False, True], [True, False]]
