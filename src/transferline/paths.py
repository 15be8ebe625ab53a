"""Paths of the files that the stages of `dvc.yaml` write. A test checks that the paths in `dvc.yaml` are the same."""

from pathlib import Path

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
