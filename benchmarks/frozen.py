"""The frozen pass, batch normalisation folded, beside engines that do nothing but inference. Batches of 32."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness import Clock, Row

ENGINES = {
    "tensorflow": "TensorFlow's graph",
    "tflite": "TFLite",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
WAYS = ("ours", *ENGINES)
ROWS = tuple(
    Row(f"frozen pass against {name}, ms an image", "ours.image", f"{way}.image", 0.7, 1.0, "ms")
    for way, name in ENGINES.items()
)
SIZE, BATCH, REPEATS = 160, 32, 8
ONNX = "mobilenet_v2.onnx"


def _images() -> Any:
    return np.random.default_rng(7).uniform(-1, 1, (BATCH, SIZE, SIZE, 3)).astype(np.float32)


def _backbone() -> keras.Model:
    keras.utils.set_random_seed(7)
    return keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg")


def _per_image(run: Callable[[Any], Any]) -> dict[str, Any]:
    images, rounds = _images(), []
    answer = run(images)
    if not (np.isfinite(answer).all() and answer.any()):
        raise ValueError("the engine answers with nothing or with no numbers")
    for _ in range(REPEATS):
        clock = Clock()
        run(images)
        rounds.append({key: 1000 * value / BATCH for key, value in clock.read().items()})
    return {"image": min(rounds, key=lambda each: each["wall"])}


def ours(_: Path) -> dict[str, Any]:
    """As `extract` runs it."""
    from transferline.training.compiled_inference import compile_for_inference
    from transferline.training.folded_normalization import fold_batch_normalization

    run, _ = compile_for_inference(fold_batch_normalization(_backbone()))
    return _per_image(lambda images: run([images])[0])


def tensorflow(_: Path) -> dict[str, Any]:
    """A graph with batch normalisation folded."""
    from transferline.training.folded_normalization import fold_batch_normalization

    folded = fold_batch_normalization(_backbone())
    graph = tf.function(lambda images: folded(images, training=False))
    return _per_image(lambda images: graph(images).numpy())


def tflite(_: Path) -> dict[str, Any]:
    """TFLite with XNNPACK, which folds by itself."""
    model = _backbone()
    graph = tf.function(lambda images: model(images, training=False))
    variables = tf.Module()
    variables.all = [variable.value for variable in model.variables]  # given those of Keras it answers NaN
    concrete = graph.get_concrete_function(tf.TensorSpec((BATCH, SIZE, SIZE, 3)))
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], variables).convert()
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=2)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(images: Any) -> Any:
        interpreter.set_tensor(given, images)
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    return _per_image(run)


def _onnx(folder: Path) -> Path:
    """The backbone as an ONNX file, made once."""
    if not (folder / ONNX).exists():
        import tf2onnx

        model = _backbone()
        graph = tf.function(lambda images: model(images, training=False))
        signature = [tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, "images")]
        tf2onnx.convert.from_function(graph, signature, output_path=str(folder / ONNX))
    return folder / ONNX


def onnxruntime(folder: Path) -> dict[str, Any]:
    """ONNX Runtime on as many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(_onnx(folder)), options)
    return _per_image(lambda images: session.run(None, {session.get_inputs()[0].name: images})[0])


def openvino(folder: Path) -> dict[str, Any]:
    """OpenVINO on as many threads, in float32."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 2, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(openvino.Core().read_model(_onnx(folder)), "CPU", settings)
    return _per_image(lambda images: compiled(images)[0])
