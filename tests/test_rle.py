"""Run-length encoding: known texts, round trips of vectors and masks, faulty texts."""

import numpy as np
import pytest

from transferline.errors import TransferlineError
from transferline.run_length_encoding import decode, encode


@pytest.mark.parametrize(
    ("ones", "runs"),
    [([0, 0, 0], ""), ([1, 1, 1], "1 3"), ([1, 0, 1, 1], "1 1 3 2"), ([[0, 0, 1], [1, 0, 1]], "3 2 6 1"), ([], "")],
)
def test_runs_are_counted_from_one_and_row_by_row(ones, runs):
    assert encode(ones) == runs
    np.testing.assert_array_equal(decode(runs, np.shape(ones)), ones)


@pytest.mark.parametrize("shape", [(1,), (20,), (17, 5), (3, 4, 5)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_was_encoded_comes_back(shape, share):
    ones = np.random.default_rng(1).random(shape) < share
    np.testing.assert_array_equal(decode(encode(ones), shape), ones)


@pytest.mark.parametrize(
    ("runs", "match"),
    [
        ("1", "not a list of pairs"),
        ("1 x", "not a list of pairs"),
        ("0 2", "run 0 2"),
        ("3 1 1 1", "run 1 1"),
        ("1 2 2 1", "run 2 1"),
        ("4 2", "run 4 2 of '4 2' must be after position 0 and end at 4 at most"),
        ("1 0", "run 1 0"),
    ],
)
def test_faulty_runs_are_named(runs, match):
    with pytest.raises(TransferlineError, match=match):
        decode(runs, (4,))
