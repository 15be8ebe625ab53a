"""Models compiled for inference, compared with the same models without compilation."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers

from transferline.models.lite import ROWS
from transferline.training.compiled_inference import compile_for_inference


def rows(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, (count, *shape)).astype(np.float32)


@pytest.fixture(scope="module")
def crossed() -> keras.Model:
    """Two inputs and three outputs of which most look alike, none in the order of its making."""
    keras.utils.set_random_seed(7)
    first, second = (keras.Input((6, 6, 4), name=name) for name in ("b", "a"))
    one = layers.Conv2D(4, 3, padding="same", activation="relu6")(first)
    other = layers.DepthwiseConv2D(3, padding="same")(second)
    return keras.Model([second, first], [layers.Add()([one, other]), other, layers.GlobalAveragePooling2D()(one)])


@pytest.mark.parametrize("count", [1, ROWS, 2 * ROWS + 3])
def test_any_number_of_rows_has_the_values_of_the_model_in_its_order(crossed, count):
    inputs = [rows(count, 6, 6, 4), 2 * rows(count, 6, 6, 4)[:, ::-1]]
    found, wanted = compile_for_inference(crossed)[0](inputs), crossed(inputs, training=False)
    assert [each.shape for each in found] == [(count, 6, 6, 4), (count, 6, 6, 4), (count, 4)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_row_is_the_same_whatever_is_beside_it_and_on_any_number_of_threads(crossed, monkeypatch):
    inputs = [rows(2 * ROWS, 6, 6, 4), rows(2 * ROWS, 6, 6, 4)]
    whole = compile_for_inference(crossed)[0](inputs)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = compile_for_inference(crossed)[0]([values[5:6] for values in inputs])
    assert [each.tobytes() for each in alone] == [each[5:6].tobytes() for each in whole]


def test_several_threads_can_ask_at_once(crossed):
    run, _ = compile_for_inference(crossed)
    calls = [[rows(ROWS, 6, 6, 4) + number, rows(ROWS, 6, 6, 4)] for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, calls))
    for found, call in zip(together, calls, strict=True):
        assert [each.tobytes() for each in found] == [each.tobytes() for each in run(call)]


def test_an_operation_that_tflite_lacks_is_done_by_tensorflow():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.ops.erfinv(layers.Rescaling(0.9)(inputs)))
    values = rows(ROWS + 2, 5)
    run, content = compile_for_inference(model)
    (found,) = run([values])
    assert content is None
    np.testing.assert_allclose(found, model(values), rtol=1e-6)
