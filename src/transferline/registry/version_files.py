"""What is kept with a registered version to test it and to make it again, beside its model in MLflow's store."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from transferline.datasets.tables import read_table
from transferline.git_and_dvc import git_or_nothing
from transferline.models.exported import PARITY_FILE
from transferline.paths import MANIFEST, METRICS
from transferline.registry.trained_data import DATA_FILE, TrainedData

ORIGIN, MODEL_CARD = "origin", "model_card.md"
LOCK, PATCH, EVALUATION, LISTED = "dvc.lock", "changes.patch", "evaluation.json", "manifest.csv"
LISTED_COLUMNS = ("path", "sha256", "label", "group", "split", "kept")
# what the pipeline reads, apart from the raw images, which DVC keeps
SOURCES = (
    *("src", "networks", "own_augmentations", "own_metrics", "dvc.yaml", "dvc.lock", "params.yaml"),
    *("data/*.yaml", "data/dvc.lock", "data/raw/*.dvc", "data/corrections/*"),
)


def copy_version_files(root: Path, folder: Path, evaluation: Path, data: TrainedData, target: Path) -> None:
    """Copies the answers for the smoke test, `dvc.lock` with all stages, the figures of all candidates and of this
    one, what it was trained on, and as a patch what differs from the Git commit.

    The manifest is kept as CSV, which MLflow's page shows as a table; of Parquet it shows nothing.
    """
    target.mkdir(parents=True)
    shutil.copyfile(folder / PARITY_FILE, target / PARITY_FILE)
    for source, name in (
        (root / LOCK, LOCK),
        (root / METRICS, METRICS.name),
        (evaluation / "metrics.json", EVALUATION),
    ):
        if source.exists():
            shutil.copyfile(source, target / name)
    (target / PATCH).write_bytes(changes(root))
    (target / DATA_FILE).write_text(data.model_dump_json(indent=2) + "\n", encoding="utf-8")
    rows = read_table(root / MANIFEST).rows
    rows[[name for name in LISTED_COLUMNS if name in rows]].to_csv(target / LISTED, index=False)


def changes(root: Path) -> bytes:
    """How the files that the pipeline reads differ from the last commit, untracked ones included, as Git's patch.

    Git's index stays as it is; without a commit the patch is empty.
    """
    paths = [str(path.relative_to(root)) for pattern in SOURCES for path in sorted(root.glob(pattern))]
    with tempfile.TemporaryDirectory() as scratch:
        git = partial(git_or_nothing, root, index=Path(scratch) / "index")
        git("read-tree", "HEAD")
        git("add", "--all", "--", *paths)
        return git("diff", "--cached", "--binary", "HEAD")
