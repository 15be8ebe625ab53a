"""The column `label` of the tables: from text to the targets of a training, and back."""

import numpy as np
import pandas as pd
import pytest

from transferline.datasets.tables import class_positions, join_labels, join_names, label_matrix, split_labels

CLASSES = ("1", "2", "10")


def test_a_single_label_becomes_the_index_of_its_class() -> None:
    found = class_positions(pd.Series(["10", "2", "10"]), CLASSES)
    assert found.dtype == np.int32 and found.tolist() == [[2], [1], [2]]
    assert class_positions(pd.Series([], dtype=object), CLASSES).shape == (0, 1)


def test_several_labels_become_a_row_of_0_and_1_and_back() -> None:
    labels = pd.Series(["1|10", "", "2", "1|2|10"], dtype=object)
    found = label_matrix(labels, CLASSES)
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]
    pd.testing.assert_series_equal(join_labels(found, CLASSES), labels)
    assert label_matrix(labels[:0], CLASSES).shape == (0, 3)


def test_names_are_joined_in_class_order() -> None:
    assert join_names({"10", "2", "1"}) == "1|2|10" and join_names([]) == ""
    assert split_labels("1|2|10") == ["1", "2", "10"] and split_labels("") == []


def test_a_label_that_is_no_class_is_an_error() -> None:
    with pytest.raises(KeyError, match="4"):
        class_positions(pd.Series(["4"]), CLASSES)
    with pytest.raises(KeyError, match="4"):
        label_matrix(pd.Series(["1|4"]), CLASSES)
