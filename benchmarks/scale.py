"""Views per second of `extract` by 1, 2 and more Dask workers on this machine, and that the bank is the same.

    python benchmarks/scale.py [--images N] [--size PX] [--workers N …] [--rounds N]

Each worker is a process with one thread, as a machine of its own with one core would be. The workers of each number are
warmed up by a first bank, which is not measured; then each number takes its turn in each round. An unequal bank ends
the run with an error.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ[variable] = "1"

from distributed import LocalCluster  # noqa: E402
from memory import draw_images  # noqa: E402

from transferline import environment  # noqa: E402

environment.prepare(Path.cwd())

import pandas as pd  # noqa: E402

from transferline.datasets.tables import ImageTable  # noqa: E402
from transferline.datasets.views import draw_views  # noqa: E402
from transferline.params import Compute, Pretrained, load_params  # noqa: E402
from transferline.training.fill_bank import extract  # noqa: E402

PROJECT = Path(__file__).parents[1]


def make(folder: Path, count: int, size: int) -> tuple[ImageTable, Pretrained]:
    """Images in `folder`, their views, and the default recipe's first candidate without fine-tuning."""
    params = load_params(PROJECT / "recipes" / "digits.yaml")
    draw_images(folder, count)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    rows = pd.DataFrame({"path": paths, "sha256": paths, "split": "train", "kept": True})
    rows["label"] = rows["path"].str.partition("/")[0]
    views = draw_views(ImageTable(rows, tuple(sorted(rows["label"].unique()))), params.augment)
    section = params.candidates["lite0_plain"].model_dump()
    section["image"]["size"], section["fine_tune"], section["backbone"]["unfreeze"] = size, None, None
    return views, Pretrained.model_validate(section)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=6_000)
    parser.add_argument("--size", type=int, default=64, help="pixels that the backbone sees")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        views, section = make(folder / "raw", options.images, options.size)
        clusters = {
            n: LocalCluster(n_workers=n, host="127.0.0.1", threads_per_worker=1, dashboard_address="127.0.0.1:0")
            for n in options.workers
        }
        seconds: dict[int, list[float]] = {n: [] for n in clusters}
        for turn in range(options.rounds + 1):
            for n, cluster in clusters.items():
                bank = folder / f"{n}-{turn}"
                compute = Compute(engine="dask", address=cluster.scheduler_address)
                start = time.perf_counter()
                extract(folder / "raw", views, section, "multiclass", bank, compute)
                seconds[n].append(time.perf_counter() - start)
        banks = {path.name: {f.name: f.read_bytes() for f in path.iterdir()} for path in folder.glob("*-*")}
        assert all(bank == banks[f"{options.workers[0]}-0"] for bank in banks.values()), "the banks differ"
        for cluster in clusters.values():
            cluster.close()
    print(f"{options.images} images, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(banks)} equal banks")
    print("| workers | views per second | times the speed of the first, median, pair by pair |\n|---|---|---|")
    for n, times in seconds.items():
        ratios = [a / b for a, b in zip(seconds[options.workers[0]][1:], times[1:], strict=True)]
        rate = options.images / statistics.median(times[1:])
        print(f"| {n} | {rate:.0f} | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main()
