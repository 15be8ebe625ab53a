"""The column `label` of the tables: what a model is trained on, and back."""

import numpy as np
import pandas as pd
import pytest

from transferline.datasets.tables import join_labels, join_names, split_labels, targets

CLASSES = ("1", "2", "10")


def test_a_single_label_becomes_the_index_of_its_class() -> None:
    for problem, classes in (("multiclass", CLASSES), ("binary", ("2", "10"))):
        found = targets(pd.Series(["10", "2", "10"]), classes, problem)
        last = len(classes) - 1
        assert found.dtype == np.int32 and found.tolist() == [[last], [last - 1], [last]]
        assert targets(pd.Series([], dtype=object), classes, problem).shape == (0, 1)


def test_several_labels_become_a_row_of_0_and_1_and_back() -> None:
    labels = pd.Series(["1|10", "", "2", "1|2|10"], dtype=object)
    found = targets(labels, CLASSES, "multilabel")
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]
    pd.testing.assert_series_equal(join_labels(found, CLASSES), labels)
    assert targets(labels[:0], CLASSES, "multilabel").shape == (0, 3)


def test_names_are_joined_in_class_order() -> None:
    assert join_names({"10", "2", "1"}) == "1|2|10" and join_names([]) == ""
    assert split_labels("1|2|10") == ["1", "2", "10"] and split_labels("") == []


@pytest.mark.parametrize(("label", "problem"), [("4", "multiclass"), ("1|4", "multilabel")])
def test_a_label_that_is_no_class_is_an_error(label: str, problem: str) -> None:
    with pytest.raises(KeyError, match="4"):
        targets(pd.Series([label]), CLASSES, problem)
