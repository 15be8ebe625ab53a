"""Seconds of `dvc add`, `dvc status` and `dvc repro` with many small files, for each way to link them to DVC's cache.

    python benchmarks/dvc_files.py [--files N] [--folder FOLDER] [--links NAME …]

Each way gets a repository of its own, with one stage that depends on the folder. `status` and `repro again` find
nothing changed. Prints a Markdown table; wall seconds, and in brackets CPU seconds.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from memory import draw_images

LINKS = ("reflink,copy", "hardlink,copy", "symlink,copy", "copy")
STAGE = "stages:\n  count:\n    cmd: ls -R images | wc -l > count\n    deps: [images]\n    outs: [count]\n"
STEPS = {
    "add": "dvc add -q images",
    "repro": "dvc repro -q",
    "status": "dvc status -q",  # fails if it finds a change
    "repro again": "dvc repro -q",
    "checkout": "dvc checkout -q --force images.dvc",
}


def timed(command: str, folder: Path) -> str:
    """Wall and CPU seconds of a command that has to succeed."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command.split(), cwd=folder, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return f"{time.perf_counter() - start:.1f} ({cpu:.1f})"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; else that of temporary files")
    parser.add_argument("--links", nargs="+", default=LINKS, help="values of DVC's cache.type")
    options = parser.parse_args()
    print("| cache.type | " + " | ".join(STEPS) + " | MB on the disk |\n|---|" + "---|" * (len(STEPS) + 1))
    for links in options.links:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            root = Path(name)
            draw_images(root / "images", options.files)
            for command in ("git init -q", "dvc init -q", f"dvc config cache.type {links}"):
                subprocess.run(command.split(), cwd=root, check=True)
            (root / "dvc.yaml").write_text(STAGE)
            cells = []
            for step, command in STEPS.items():
                if step == "checkout":
                    subprocess.run(["rm", "-rf", "images"], cwd=root, check=True)
                cells.append(timed(command, root))
            used = subprocess.run(["du", "-sm", "."], cwd=root, check=True, capture_output=True, text=True).stdout
            print(f"| {links} | " + " | ".join(cells) + f" | {used.split()[0]} |", flush=True)


if __name__ == "__main__":
    main()
