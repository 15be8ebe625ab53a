"""Whether two revisions of the code compute the same: weights, `metrics.json` and the decision of two small jobs.

    python benchmarks/same_results.py record OUT.json [--revision GIT] [--camvid FOLDER]
    python benchmarks/same_results.py compare BEFORE.json AFTER.json

The jobs are the default recipe on digits and, where the folder of the data is given, `recipes/camvid.yaml` with one
candidate of 64 px, two epochs and a fifth of the pictures. Each is run from scratch in a temporary clone.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[1]
LISTS = Path("ImageSets/Segmentation")
EVERY = 5  # of CamVid's pictures one is taken


def record(out: Path, revision: str, camvid: Path | None) -> None:
    """Runs the jobs with the code of a revision and writes what they computed."""
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        _call(Path(scratch), "git", "clone", "-q", str(PROJECT), str(project))
        _call(project, "git", "checkout", "-q", revision)
        found = {"digits": _run(project)}
        if camvid:
            _take_fewer(camvid, Path(scratch) / "camvid")
            _transferline(project, "data", "add", str(Path(scratch) / "camvid"), "--name", "camvid")
            _transferline(project, "use", "recipes/camvid.yaml", "--force")
            _make_small(project / "params.yaml")
            found["camvid"] = _run(project)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _run(project: Path) -> dict[str, Any]:
    _call(project, sys.executable, "-m", "dvc", "repro")
    _transferline(project, "promote", "--json", "decision.json")
    decision = json.loads((project / "decision.json").read_text(encoding="utf-8"))
    metrics = json.loads((project / "metrics.json").read_text(encoding="utf-8"))
    trained = sorted((project / "models").glob("*/*/model.keras"))
    return {
        "weights": {
            file.parent.relative_to(project / "models").as_posix(): weights_sha256(file)
            for file in trained
            if file.parents[1].name in metrics["candidates"]
        },
        "metrics": metrics,
        "decision": {
            "promoted": decision["promoted"],
            "gates": {gate["name"]: gate["state"] for gate in decision["gates"]},
        },
    }


def weights_sha256(file: Path) -> str:
    """The sha256 over all arrays in a Keras file, by their path; the file itself holds the time of its saving."""
    import h5py  # comes with Keras

    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(file) as archive:
        archive.extract("model.weights.h5", scratch)
        with h5py.File(Path(scratch) / "model.weights.h5") as weights:

            def add(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    digest.update(name.encode() + item[()].tobytes())

            weights.visititems(add)
    return digest.hexdigest()


def _take_fewer(source: Path, target: Path) -> None:
    """Copies CamVid with every fifth picture of each split."""
    shutil.copytree(source, target)
    for file in sorted((target / LISTS).glob("*.txt")):
        names = file.read_text(encoding="utf-8").split()
        file.write_text("\n".join(names[::EVERY]) + "\n", encoding="utf-8")


def _make_small(params: Path) -> None:
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(params)
    tree["candidates"] = {"lite0": tree["candidates"]["lite0"]}
    tree["candidates"]["lite0"]["image"]["size"] = 64
    tree["candidates"]["lite0"]["train"].update(epochs=2, frozen_epochs=1)
    tree["augment"]["views"] = 1
    yaml.dump(tree, params)


def _transferline(project: Path, *arguments: str) -> None:
    _call(project, sys.executable, "-m", "transferline", *arguments)


def _call(folder: Path, *command: str) -> None:
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PYTHONPATH": str(folder / "src"), "PATH": programs}
    subprocess.run(command, cwd=folder, env=env, check=True)


def compare(before: Path, after: Path) -> int:
    """Prints what differs; 1 if anything does."""
    from transferline.registry.same_files import differences

    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    lines = differences(old, new)
    print("\n".join(lines) or "the same weights, metrics and decisions")
    return int(bool(lines))


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run the jobs and write what they computed")
    recording.add_argument("out", type=Path)
    recording.add_argument("--revision", default="HEAD")
    recording.add_argument("--camvid", type=Path, help="a folder laid out like PASCAL VOC")
    comparing = commands.add_parser("compare", help="show what differs")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "compare":
        return compare(options.before, options.after)
    record(options.out.resolve(), options.revision, options.camvid and options.camvid.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
