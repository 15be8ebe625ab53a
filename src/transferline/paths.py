"""Paths of the files that the stages of `dvc.yaml` write. A test checks that the paths in `dvc.yaml` are the same."""

from pathlib import Path

from transferline.errors import TransferlineError

RAW = Path("data/raw")
CORRECTIONS = Path("data/corrections")
MANIFEST = Path("data/manifest.parquet")
VALIDATION_REPORT = Path("reports/validation.json")
DATA_DOCS = Path("reports/data_docs/index.html")
PAGE = Path("reports/index.html")
DECISION = Path("reports/decision/decision.json")
LEADERBOARD = Path("reports/leaderboard.md")
METRICS = Path("metrics.json")
MODELS = Path("models")
EVALUATIONS = Path("evaluations")
INSIGHT = Path("insight")
VIEWS = Path("data/views.parquet")
BANK = Path("bank")
CODE = Path("code.json")


def require_outputs(*paths: Path) -> None:
    """Checks that files or folders that stages write are there.

    Raises:
        TransferlineError: one is missing: its stage has not run or is running, or DVC has not restored it yet.
    """
    for path in paths:
        if not path.exists():
            raise TransferlineError(
                f"{path} is missing; `dvc checkout` restores it from DVC's cache, `dvc pull` from the remote, and "
                "`transferline run` writes it again"
            )
