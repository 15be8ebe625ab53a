"""Peak memory and time of every stage at growing numbers of images: `transferline stage …`, each in a fresh process.

    python benchmarks/memory.py [--sizes N …] [--out FOLDER]

Images are JPEGs of 40 pixels: 64 pictures, each copy blended with a pattern of its own. The candidate `frozen` is the
smallest MobileNetV2 at 32 pixels with random weights, fine-tuned from its last layers; `scratch` is a small network
without a pretrained part. Writes memory.json and memory.png, and prints the table for SCALE.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[1]
SIDE, PICTURES, CLASSES = 40, 64, ("can", "glass", "paper")
RAW = "data/raw/copies"
FEW = {"epochs": 1, "batch_size": 64, "optimizer": {"name": "adam", "learning_rate": 1e-3}, "class_weights": "none"}
TRAINING = {**FEW, "monitor": "val_loss", "early_stopping": None, "reduce_on_plateau": None}
STAGES = {
    "validate": f"--raw {RAW} --manifest data/manifest.parquet --report r.json --docs docs --quarantined q.png",
    "augment": f"--raw {RAW} --manifest data/manifest.parquet --views data/views.parquet --preview v.png",
    "extract": f"--candidate frozen --raw {RAW} --views data/views.parquet --bank bank",
    "train_head": f"--candidate frozen --raw {RAW} --bank bank --model models/frozen/head",
    "fine_tune": f"--candidate frozen --raw {RAW} --bank bank --head models/frozen/head "
    "--model models/frozen/fine_tune",
    "train": f"--candidate scratch --raw {RAW} --views data/views.parquet --model models/scratch/train",
    "evaluate": f"--raw {RAW} --manifest data/manifest.parquet --models models/frozen --evaluation evaluations/frozen",
}


def draw_images(folder: Path, count: int) -> None:
    """Writes `count` JPEGs in a folder per class."""
    random = np.random.default_rng(7)
    pictures = [_smooth(random, 5) for _ in range(PICTURES)]
    for number in range(count):
        target = folder / CLASSES[number % len(CLASSES)]
        target.mkdir(parents=True, exist_ok=True)
        pixels = 0.5 * pictures[number % PICTURES] + 0.5 * _smooth(random, 12)
        pixels[..., number % len(CLASSES)] += 40
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(target / f"{number:06}.jpg", quality=85)


def _smooth(random: np.random.Generator, cells: int) -> npt.NDArray[np.float32]:
    coarse = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)


def write_params(folder: Path) -> None:
    """The default recipe with the candidates of this benchmark."""
    yaml = YAML(typ="safe")  # writes what the same reads; the pure one leaves the quotes off a URL in braces
    params: dict[str, Any] = yaml.load(PROJECT / "params.yaml")
    image = {"size": 32, "color": "rgb", "resize": "stretch"}
    backbone = {"name": "mobilenet_v2", "alpha": 0.35, "weights": "none", "pooling": "avg", "unfreeze": {"last": 12}}
    frozen = {
        "kind": "pretrained",
        "image": image,
        "backbone": backbone,
        "extract": {"head_views": "untouched", "fine_tune_views": "augmented", "dtype": "float16"},
        "layers": [],
        "train_head": TRAINING,
        "fine_tune": TRAINING,
        "train": None,
    }
    conv = {"kind": "conv", "filters": 8, "kernel": 3}
    scratch = {
        "kind": "end_to_end",
        "image": image,
        "layers": [conv, {"kind": "relu"}, {"kind": "max_pool", "size": 4}, {"kind": "flatten"}],
        "train": {**TRAINING, "views": "augmented"},
        **dict.fromkeys(("backbone", "extract", "train_head", "fine_tune")),
    }
    params["data"]["dataset"] = Path(RAW).name
    params["augment"]["views"] = 1
    params["evaluate"]["bootstrap"] = 200
    params["candidates"] = {"frozen": frozen, "scratch": scratch}
    yaml.dump(params, folder / "params.yaml")


def measure(stage: str, folder: Path) -> dict[str, float]:
    """Runs a stage: the peak resident size in MB, wall and CPU seconds."""
    program = ["-c", "from transferline.cli.main import main; main()"]
    command = [sys.executable, *program, "stage", stage, *STAGES[stage].split()]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    start = time.perf_counter()
    with (folder / f"{stage}.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{stage} failed:\n{(folder / f'{stage}.log').read_text()[-3000:]}")
    return {"peak_mb": used.ru_maxrss / 1024, "wall_s": seconds, "cpu_s": used.ru_utime + used.ru_stime}


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """k of `a + b n^k` with a and b such that the first size is met: linear growth over any fixed start gives 1."""
    grown = np.subtract(seconds[1:], seconds[0])
    return float(np.polyfit(np.log(np.subtract(sizes[1:], sizes[0])), np.log(np.maximum(grown, 1e-3)), 1)[0])


def table(sizes: list[int], found: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: a row per stage."""
    lines = [
        "| stage | " + " | ".join(f"{size:,} images, MB" for size in sizes) + " | growth of the last step "
        "| CPU seconds | exponent |",
        "|---|" + "---|" * (len(sizes) + 3),
    ]
    for stage, rows in found.items():
        peaks = [row["peak_mb"] for row in rows]
        seconds = [row["cpu_s"] for row in rows]
        growth = f"{100 * (peaks[-1] / peaks[-2] - 1):+.1f} %" if len(peaks) > 1 else ""
        power = f"{exponent(sizes, seconds):.2f}" if len(sizes) > 2 else ""
        cells = [*(f"{peak:,.0f}" for peak in peaks), growth, ", ".join(f"{s:.0f}" for s in seconds), power]
        lines.append(f"| {stage} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(sizes: list[int], found: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Peak memory and CPU seconds over the number of images."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained", dpi=110)
    for axes, key, label in zip(
        figure.subplots(1, 2), ("peak_mb", "cpu_s"), ("peak resident size, MB", "CPU seconds"), strict=True
    ):
        for stage, rows in found.items():
            axes.plot(sizes, [row[key] for row in rows], marker="o", label=stage)
        axes.set(xlabel="images", ylabel=label, xscale="log", ylim=(0, None))
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 50_000], help="smallest first")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="for the results")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {stage: [] for stage in STAGES}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            draw_images(folder / RAW, size)
            write_params(folder)
            (folder / "mlruns").mkdir()
            for stage, rows in found.items():
                rows.append(measure(stage, folder))
                print(f"{size:,} images, {stage}: {rows[-1]}", flush=True)
    result = {"cores": os.cpu_count(), "load": os.getloadavg(), "sizes": options.sizes, "stages": found}
    (options.out / "memory.json").write_text(json.dumps(result, indent=2) + "\n")
    plot(options.sizes, found, options.out / "memory.png")
    print(table(options.sizes, found))


if __name__ == "__main__":
    main()
