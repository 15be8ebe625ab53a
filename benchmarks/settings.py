"""Settings of TensorFlow: a fine-tuning epoch with each beside the defaults, which are float32, oneDNN and no XLA.

    python -m benchmarks.settings [--images N] [--rounds N]

Prints a Markdown table: ratios pair by pair, above 1 where the setting is quicker.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, line_of, machine, measure
from benchmarks.photos import lay_out

if "no_onednn" in sys.argv:  # read when TensorFlow is imported
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

WAYS = ("defaults", "bfloat16", "xla", "no_onednn")
NAMES = {"bfloat16": "mixed precision, bfloat16", "xla": "XLA", "no_onednn": "without oneDNN"}
ROWS = tuple(Row(name, f"{way}.epoch", "defaults.epoch", 1, 1) for way, name in NAMES.items())


def defaults(folder: Path) -> dict[str, Any]:
    """As the stages run, with few epochs."""
    from benchmarks.training import candidate, run_line

    section = candidate("untouched", tune=True)
    few = {name: getattr(section, name).model_copy(update={"epochs": 3}) for name in ("train_head", "fine_tune")}
    return run_line(folder / "photos", section.model_copy(update=few))


def bfloat16(folder: Path) -> dict[str, Any]:
    """`mixed_precision: bfloat16` of a training."""
    from transferline.training.devices import use_bfloat16

    use_bfloat16()
    return defaults(folder)


def xla(folder: Path) -> dict[str, Any]:
    """The steps of training compiled by XLA, which Keras refuses where operations have to be deterministic."""
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism = lambda: None
    compile_model = keras.Model.compile

    def compiled(self: Any, *args: Any, **kwargs: Any) -> None:
        compile_model(self, *args, **{**kwargs, "jit_compile": True})

    keras.Model.compile = compiled
    return defaults(folder)


def no_onednn(folder: Path) -> dict[str, Any]:
    """TensorFlow's own kernels."""
    return defaults(folder)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(None, Path(folder) / "photos", options.images)
        result = measure("settings", WAYS, Path(folder), options.rounds, time.monotonic() + 3600)
    print("| setting | seconds of an epoch | of the defaults | ratio: median (min to max) |\n|---|---|---|---|")
    for line in (line_of(result, row) for row in ROWS):
        if ratio := line["ratio"]:
            spread = f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})"
            print(f"| {line['what']} | {line['ours']['wall']:.2f} | {line['theirs']['wall']:.2f} | {spread} |")
        else:
            print(f"| {line['what']} | failed: {'; '.join(line['errors'])} | | |")
    print(f"\n{options.images} photographs (made), {machine()['cpu']}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
