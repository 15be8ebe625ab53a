"""What the imports of each stage cost, in a fresh process and in one that has imported what its warm parent has.

    python benchmarks/imports.py [--rounds N]

A stage's modules are the dependencies of its command in `dvc.yaml`. Prints a Markdown table of seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from transferline import environment
from transferline.warm import COME_BEFORE, DVC, NEED_TENSORFLOW, TENSORFLOW
from transferline.warm_imports import AT_ONCE, LATER

ROOT = Path(__file__).parents[1]
IMPORT = """
import importlib, json, sys, time
from transferline.quiet import without_wrappers

def load(names):
    for name in names:
        if name == "tensorflow":
            with without_wrappers():
                import keras
        else:
            importlib.import_module(name.partition(":")[0])

before, names = json.loads(sys.argv[1])
load(before)
wall, cpu = time.perf_counter(), time.process_time()
load(names)
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""


def modules() -> dict[str, list[str]]:
    """The modules of this project that each stage of `dvc.yaml` imports."""
    found = {}
    for name, stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].items():
        source = [ROOT / dep for dep in stage.get("do", stage)["deps"] if str(dep).startswith("src/")]
        files = [file for path in source for file in ([path] if path.is_file() else path.rglob("*.py"))]
        found[name] = [".".join(file.relative_to(ROOT / "src").with_suffix("").parts) for file in files]
    return found


def seconds(before: list[str], names: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of importing `names` in a process that has imported `before`."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, json.dumps([before, names])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = json.loads(done.stdout)
    return wall, cpu


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    environment.prepare(ROOT)
    print("| stage | in a fresh process: wall | CPU | in a warm child: wall | CPU |\n|---|---|---|---|---|")
    for stage, names in modules().items():
        kind = DVC if stage in COME_BEFORE else TENSORFLOW
        first = ["tensorflow"] if stage in NEED_TENSORFLOW else []
        figures = []
        for before in ([], [AT_ONCE[kind], *LATER[kind]]):
            rounds = [seconds(before, first + names) for _ in range(options.rounds)]
            figures += [statistics.median(each) for each in zip(*rounds, strict=True)]
        print(f"| {stage} | {' | '.join(f'{figure:.2f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()
