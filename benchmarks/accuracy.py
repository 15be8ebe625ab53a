"""Validation accuracy with real weights, ours beside the notebook's: MobileNetV2 of width 0.35 at 160 px, five seeds.

    python -m benchmarks.accuracy [--seeds N] [--sets cats_dogs trashnet]

Takes about an hour on two cores; the figures go to `benchmarks/accuracy.json` seed by seed, and from there into
`benchmarks.run`'s table; a second call goes on where the first one ended. Images are in `train` and `validation` of
`../shared/data`, or, without such folders, split by number.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, measure
from transferline.datasets.file_formats import IMAGE_SUFFIXES

DATA, WEIGHTS = ROOT.parent / "shared" / "data", ROOT.parent / "shared/weights/mobilenet_v2_0.35_224_no_top.weights.h5"
FIGURES = ROOT / "benchmarks" / "accuracy.json"
WAYS = ("ours", "lbfgs", "theirs")
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}  # Student's, by seeds


def lay_out(source: Path, target: Path) -> None:
    """Copies the images into `train/<class>` and `validation/<class>`; without given splits every fourth validates."""
    given = (source / "train").is_dir()
    for number, path in enumerate(sorted(path for path in source.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)):
        split = path.relative_to(source).parts[0] if given else "validation" if number % 4 == 0 else "train"
        folder = target / split / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)


def ours(folder: Path) -> dict[str, Any]:
    """The bank: untouched views for the head by Adam, augmented ones for fine-tuning."""
    return _line(folder, {})


def lbfgs(folder: Path) -> dict[str, Any]:
    """The same with the head at its optimum."""
    strengths = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    head = {"optimizer": {"name": "lbfgs", "l2": strengths}, "class_weights": "none", "monitor": "val_accuracy"}
    return _line(folder, {"train_head": head, "layers": ()})


def _line(folder: Path, changes: dict[str, Any]) -> dict[str, Any]:
    from benchmarks.training import candidate, run_line

    sha256 = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    section = candidate("untouched", tune=True, alpha=0.35, weights={"path": str(WEIGHTS), "sha256": sha256})
    section = type(section).model_validate({**section.model_dump(), **changes})
    figures = run_line(folder / "photos", section, _seed(folder))
    return {"head": figures["head_accuracy"], "fine_tune": figures["fine_tune_accuracy"]}


def theirs(folder: Path) -> dict[str, Any]:
    """The notebook, with the epoch of the best loss on validation restored, as ours does."""
    import keras

    from benchmarks.notebook import SIZE, build, datasets, unfreeze

    keras.utils.set_random_seed(_seed(folder))
    train, validation = datasets(folder / "photos")
    classes = len(list((folder / "photos" / "train").iterdir()))
    base = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    base.load_weights(WEIGHTS)
    model, found = build(base, units=classes), {}
    for phase, optimizer, epochs in (
        ("head", keras.optimizers.Adam(1e-3), 20),
        ("fine_tune", keras.optimizers.RMSprop(1e-5), 10),
    ):
        if phase == "fine_tune":
            unfreeze(base)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
        model.fit(train, validation_data=validation, epochs=epochs, callbacks=[best], verbose=0)
        found[phase] = model.evaluate(validation, verbose=0)[1]
    return found


def _seed(folder: Path) -> int:
    return int((folder / "seed").read_text(encoding="utf-8"))


def summary(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Mean accuracies, and of ours minus the notebook's, in points, the mean and its 95 % interval over the seeds."""
    found: dict[str, Any] = {}
    for phase in ("head", "fine_tune"):
        means = {way: statistics.mean(run[phase] for run in runs[way]) for way in WAYS}
        found[phase] = {**means, "gain": {}}
        for way in ("ours", "lbfgs"):
            gains = [100 * (a[phase] - b[phase]) for a, b in zip(runs[way], runs["theirs"], strict=True)]
            half = T_95[len(gains)] * statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) in T_95 else None
            found[phase]["gain"][way] = [statistics.mean(gains), half]
    return found


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=["cats_dogs", "trashnet"])
    options = parser.parse_args()
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for seed, name in product(range(options.seeds), options.sets):
        runs = figures.get(name, {}).get("runs", {way: [] for way in WAYS})
        if len(runs["theirs"]) > seed:
            continue
        with tempfile.TemporaryDirectory() as folder:
            lay_out(DATA / name, Path(folder) / "photos")
            (Path(folder) / "seed").write_text(str(seed), encoding="utf-8")
            result = measure("accuracy", WAYS, Path(folder), 1, 0)
        if result.errors:
            raise SystemExit(f"{name}: {'; '.join(result.errors)}")
        runs = {way: runs[way] + result.runs[way] for way in WAYS}
        figures[name] = {"seeds": seed + 1, **summary(runs), "runs": runs}
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        print(name, json.dumps({key: figures[name][key] for key in ("head", "fine_tune")}), flush=True)


if __name__ == "__main__":
    main()
