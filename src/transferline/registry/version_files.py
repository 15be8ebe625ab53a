"""The files that MLflow's store holds with a registered model, to test it and to train it again."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from transferline.datasets.tables import read_table
from transferline.git_and_dvc import git_or_nothing
from transferline.hashes import file_sha256
from transferline.insight.insight_table import described_model
from transferline.models.exported import LITE_FILE, PARITY_FILE
from transferline.paths import INSIGHT, MANIFEST, METRICS
from transferline.registry.trained_data import DATA_FILE, TrainedData

ORIGIN, MODEL_CARD = "origin", "model_card.md"
LOCK, PATCH, EVALUATION, LISTED = "dvc.lock", "changes.patch", "evaluation.json", "manifest.csv"
LISTED_COLUMNS = ("path", "sha256", "label", "group", "split", "kept", "phash")
# the files that the pipeline reads, without the raw images, which DVC stores
SOURCES = (
    *("src", "networks", "own_augmentations", "own_metrics", "dvc.yaml", "dvc.lock", "params.yaml"),
    *("data/*.yaml", "data/dvc.lock", "data/raw/*.dvc", "data/corrections"),
)
# whatever Git's configuration says
PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")


def copy_version_files(root: Path, folder: Path, evaluation: Path, data: TrainedData, target: Path) -> None:
    """Copies the files that belong to a registered version.

    These are the predictions for the smoke test, `dvc.lock`, the metrics of all candidates and of this one, the data
    that it was trained on, a patch with the differences to the Git commit, and the files of the stage `insight`, which
    explain predictions. The manifest is stored as CSV, because MLflow's page shows CSV as a table, but not Parquet.
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
    if insight := insight_of(root, folder):
        shutil.copytree(insight, target / INSIGHT.name)
    rows = read_table(root / MANIFEST).rows
    rows[[name for name in LISTED_COLUMNS if name in rows]].to_csv(target / LISTED, index=False)


def insight_of(root: Path, folder: Path) -> Path | None:
    """Returns the folder of the stage `insight` for the model in `folder`; None if it has none.

    Args:
        root: the folder of the project.
        folder: `models/<candidate>/<phase>`.
    """
    insight = root / INSIGHT / folder.parent.name
    is_its = file_sha256(folder / LITE_FILE) == described_model(insight)
    return insight if is_its else None


def changes(root: Path) -> bytes:
    """Returns a Git patch with the changes since the last commit in files that the pipeline reads.

    It has untracked and deleted files, too. Git's index does not change; without a commit the patch is empty.
    """
    paths = [str(path.relative_to(root)) for pattern in SOURCES for path in sorted(root.glob(pattern))]
    with tempfile.TemporaryDirectory() as scratch:
        git = partial(git_or_nothing, root, index=Path(scratch) / "index")
        git("read-tree", "HEAD")
        git("add", "--all", "--", *paths)
        return git("diff", "--binary", *PLAIN, "HEAD", "--", *(f":(glob){pattern}" for pattern in SOURCES))
