"""Test accuracy with real weights: the notebook's way, the former recipe, the recipe photos, and `transferline tune`.

    python -m benchmarks.accuracy [--sets NAME ...] [--ways NAME ...] [--seeds N]

All ways of a seed get the same images and splits. Each run is a fresh process in a temporary project, and its result is
in `accuracy.json` when it ends, so that a second call goes on where the first one ended. With all sets, ways and five
seeds it takes many hours on two cores. The table goes between the marks in `benchmarks/README.md`. The images and the
notebook's weights are in `../shared`.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from benchmarks.accuracy_sets import DATA, SETS, lay_out
from benchmarks.harness import ROOT, fresh
from transferline.atomic_files import write_json
from transferline.git_and_dvc import git_or_nothing

RESULTS, PAGE = ROOT / "benchmarks" / "accuracy.json", ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- accuracy -->\n", "<!-- end of accuracy -->\n"
WAYS = {
    "notebook": "notebook",
    "before": "recipe before",
    "default": "recipe photos",
    "tune": "tune, 15 minutes",
    "waste": "recipe waste",
}
DIFFERENCES = (("default", "before"), ("default", "notebook"), ("tune", "default"))
SHORT = {"before": "before", "notebook": "notebook", "default": "photos", "tune": "tune"}
MOST_SETS = ("cats_dogs", "trashnet", "neu_surface", "gtsrb", "camvid")
MOST_WAYS = ("notebook", "before", "default", "tune")
LONGEST = 4 * 3600  # seconds of one run

Run = dict[str, Any]


def main() -> None:
    """Measures what is missing, and writes results and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=MOST_SETS)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=MOST_WAYS)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is missing: it holds the datasets of this benchmark")
    runs = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    for seed, name, way in product(range(options.seeds), options.sets, options.ways):
        if any((run["set"], run["way"], run["seed"]) == (name, way, seed) for run in runs):
            continue
        if run := measured(name, way, seed):
            runs.append(run)
            write_json(RESULTS, runs)
    write_table(runs)


def measured(name: str, way: str, seed: int) -> Run | None:
    """Measures one way on one set with one seed, in a temporary folder. Returns None if it fails, and prints why."""
    version = commit()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(name, seed, Path(folder))
        try:
            found = fresh("accuracy_ways", way, Path(folder), LONGEST)
        except subprocess.SubprocessError as error:
            print(
                f"{name}, {way}, seed {seed} failed: {str(getattr(error, 'stderr', None) or error)[-2000:]}", flush=True
            )
            return None
    date = time.strftime("%Y-%m-%d %H:%M")
    run = {"set": name, "way": way, "seed": seed, "date": date, "commit": version, **found}
    print(json.dumps(run), flush=True)
    return run


def commit(root: Path = ROOT) -> str | None:
    """Returns the short hash of HEAD, with `+` if tracked files outside benchmarks/ have changed; or None."""
    hash_of_head = git_or_nothing(root, "rev-parse", "--short", "HEAD").decode().strip()
    changed = git_or_nothing(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks")
    return hash_of_head + "+" * bool(changed) or None


def write_table(runs: list[Run], page: Path = PAGE) -> None:
    """Writes the table of all runs between the marks of a page, and prints it."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(before + BEGIN + table(runs) + END + rest.split(END)[1], encoding="utf-8")
    print(table(runs))


def table(runs: list[Run]) -> str:
    """Returns a Markdown table with a row for each set: metric and CPU seconds of each way, and paired differences."""
    ways = [way for way in WAYS if any(run["way"] == way for run in runs)]
    pairs = [(one, other) for one, other in DIFFERENCES if {one, other} <= set(ways)]
    names = [f"{WAYS[way]} | CPU s" for way in ways]
    names += [f"{SHORT[one]} − {SHORT[other]}, points" for one, other in pairs]
    lines = [f"| test accuracy | {' | '.join(names)} |", "|---|" + "---|---|" * len(ways) + "---|" * len(pairs)]
    for name in [name for name in SETS if any(run["set"] == name for run in runs)]:
        of_way = {way: {run["seed"]: run for run in runs if (run["set"], run["way"]) == (name, way)} for way in ways}
        cells = [cell for way in ways for cell in _cells(list(of_way[way].values()))]
        cells += [_gain(of_way[one], of_way[other]) for one, other in pairs]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    note = "Mean of the seeds with its 95 % interval, and their number; for camvid the mean average precision, for"
    note += "\ncamvid_masks the mean IoU of the recipe `camvid`."
    paired = "A difference is the mean over the seeds that both ways have; of a single seed it has no interval."
    return "\n".join([*lines, "", note, paired, ""])


def _cells(runs: list[Run]) -> tuple[str, str]:
    if not runs:
        return "", ""
    cpu = statistics.mean(run["cpu"] for run in runs)
    return f"{with_interval([run['metric'] for run in runs], '.3f')} ({len(runs)})", f"{cpu:.0f}"


def _gain(ours: dict[int, Run], theirs: dict[int, Run]) -> str:
    """The gain over the seeds that both ways have."""
    pairs = [100 * (ours[seed]["metric"] - theirs[seed]["metric"]) for seed in ours if seed in theirs]
    return with_interval(pairs, "+.1f") if pairs else ""


def with_interval(values: list[float], form: str) -> str:
    """Returns the mean and, of at least two values, half of its 95 % interval by Student's t."""
    mean = f"{statistics.mean(values):{form}}"
    if len(values) < 2:
        return mean
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean} ± {half:{form.lstrip('+')}}"


if __name__ == "__main__":
    main()
