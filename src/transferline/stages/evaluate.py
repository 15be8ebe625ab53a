"""Stage `evaluate`: evaluates a candidate's exported models on validation and test images."""

from pathlib import Path

from transferline.datasets.tables import read_table
from transferline.evaluation.candidate_evaluation import evaluate_candidate
from transferline.params import Params


def run(params: Params, *, raw: Path, manifest: Path, models: Path, evaluation: Path) -> None:
    """Reads the manifest and the candidate's models, `models/<phase>/`, and writes `evaluation/<phase>/`."""
    evaluate_candidate(models, read_table(manifest), raw, params.evaluate, evaluation, params.compute)
