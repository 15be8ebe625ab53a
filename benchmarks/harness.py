"""What all benchmarks share: two ways measured in turns, each time in a fresh process, and ratios pair by pair.

A way is a function of a work folder that returns seconds (or another figure that is better when lower) by name, with
the clock started after the imports of both ways. `python -m benchmarks.harness MODULE WAY FOLDER` runs one.
"""

import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transferline.ends_with_parent import started

ROOT = Path(__file__).parents[1]
LONGEST = 900  # seconds, of one way


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        what: is measured.
        ours, theirs: the figures of the ways that are compared: `way.figure`.
        must, aim: what the ratio theirs / ours has to be at least.
        unit: of both figures.
    """

    what: str
    ours: str
    theirs: str
    must: float
    aim: float
    unit: str = "s"


@dataclass(frozen=True)
class Limit:
    """A row without a counterpart: seconds of `ours`, that may be `must` and aim at `aim`."""

    what: str
    ours: str
    must: float
    aim: float


@dataclass
class Result:
    """All measurements of a row module: `runs[way]` has one entry per round."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


class Clock:
    """Wall and CPU seconds of this process and the children that it waited for."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), _cpu()

    def read(self) -> dict[str, float]:
        """Since it was made."""
        return {"wall": time.perf_counter() - self.wall, "cpu": _cpu() - self.cpu}


def _cpu() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak() -> int:
    """Kilobytes that this process or a child held at most; its `ru_maxrss` counts the process that started it too."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return max(int(status["VmHWM"].split()[0]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def measure(module: str, ways: Sequence[str], folder: Path, rounds: int, deadline: float) -> Result:
    """Runs the ways of a module in turns. After the first, a round is started if one like the last one would end before
    `deadline` (of `time.monotonic`).

    A way that fails is noted and the others go on.
    """
    result = Result({way: [] for way in ways})
    last = 0.0
    for number in range(rounds):
        if number and time.monotonic() + last > deadline:
            break
        started = time.monotonic()
        for way in ways:
            print(f"{module}: round {number + 1} of {rounds}, {way}", flush=True)
            try:
                result.runs[way].append(fresh(module, way, folder, LONGEST))
            except (subprocess.SubprocessError, ValueError) as error:
                words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
                result.errors.append(f"{way}: {' '.join(words)}"[:300])
                result.runs[way].append({})
                print(f"  failed: {result.errors[-1]}", flush=True)
        last = time.monotonic() - started
    return result


def fresh(module: str, way: str, folder: Path, longest: float, **variables: str) -> dict[str, Any]:
    """Runs one way in a fresh process and returns its figures, its peak memory, and the load before it.

    `variables` are added to the environment of the process. A timeout or Ctrl-C also ends its child processes.

    Raises:
        SubprocessError: it failed, or took longer than `longest` seconds.
    """
    command = [sys.executable, "-m", "benchmarks.harness", module, way, str(folder)]
    before = os.getloadavg()[0]
    env = {**os.environ, **variables}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        with started(command, cwd=ROOT, env=env, stdout=output, stderr=errors) as process:
            process.wait(longest)
        output.seek(0)
        errors.seek(0)
        done = subprocess.CompletedProcess(command, process.returncode, output.read(), errors.read())
    done.check_returncode()
    return {**json.loads(done.stdout.splitlines()[-1]), "load": before}


def call(folder: Path, *arguments: str) -> None:
    """Runs `python -m` with these arguments in a folder.

    Raises:
        ValueError: the command failed; with the end of what it wrote.
    """
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{' '.join(arguments)}: {(done.stdout + done.stderr)[-1000:]}")


def _together(result: Result, first: str, second: str) -> list[tuple[dict[str, float], dict[str, float]]]:
    """The figures of two ways in the rounds in which neither failed."""
    (one, of_one), (other, of_other) = (name.split(".") for name in (first, second))
    rounds = zip(result.runs.get(one, []), result.runs.get(other, []), strict=False)
    return [(a[of_one], b[of_other]) for a, b in rounds if of_one in a and of_other in b]


def _series(result: Result, name: str) -> list[dict[str, float]]:
    way, figure = name.split(".")
    return [run[figure] for run in result.runs.get(way, []) if figure in run]


def line_of(result: Result, row: Row | Limit) -> dict[str, Any]:
    """A row of the table: medians of both ways, wall and CPU, and median, smallest and largest ratio or seconds."""
    if isinstance(row, Limit):
        return _limit_line(result, row)
    rounds, found = _together(result, row.ours, row.theirs), {}
    pairs, cpu = ([theirs[key] / ours[key] for ours, theirs in rounds] for key in ("wall", "cpu"))
    for side in ("ours", "theirs"):
        name = getattr(row, side)
        series = _series(result, name)
        found[side] = {key: _median([each[key] for each in series]) for key in ("wall", "cpu")}
        found[side]["memory_mb"] = _memory(result, name)
    found["ratio"] = [statistics.median(pairs), min(pairs), max(pairs)] if pairs else None
    return {**asdict(row), **found, "pairs": len(pairs), "cpu_ratio": _median(cpu), "errors": result.errors}


def _limit_line(result: Result, row: Limit) -> dict[str, Any]:
    series = {key: [each[key] for each in _series(result, row.ours)] for key in ("wall", "cpu")}
    wall, medians = series["wall"], {key: _median(values) for key, values in series.items()}
    found = {"seconds": [statistics.median(wall), min(wall), max(wall)]} if wall else {}
    return {
        **asdict(row),
        **found,
        "ours": {**medians, "memory_mb": _memory(result, row.ours)},
        "errors": result.errors,
    }


def _memory(result: Result, name: str) -> float | None:
    return _median([run["memory_mb"] for run in result.runs.get(name.split(".")[0], []) if run])


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def machine() -> dict[str, Any]:
    """What a figure depends on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }


def main() -> None:
    """Runs one way in this process and prints its figures as a line of JSON."""
    from transferline import environment

    module, way, folder = sys.argv[1:]
    environment.prepare(ROOT)
    run: Callable[[Path], dict[str, Any]] = getattr(importlib.import_module(f"benchmarks.{module}"), way)
    figures = run(Path(folder))
    print(json.dumps({**figures, "memory_mb": _peak() / 1024}), flush=True)
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's threads may take seconds to end


if __name__ == "__main__":
    main()
