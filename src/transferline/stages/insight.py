"""Stage `insight`: predicts all kept images with a candidate's better model, and answers questions about the images."""

from pathlib import Path

from transferline.datasets.tables import read_table
from transferline.insight.candidate_insight import InsightInputs, write_insight
from transferline.params import Params


def run(
    params: Params, *, raw: Path, manifest: Path, models: Path, evaluation: Path, bank: Path, insight: Path
) -> None:
    """Reads the manifest, the candidate's models, evaluation and bank, and writes the folder `insight`."""
    write_insight(InsightInputs(params, read_table(manifest), raw, models, evaluation, bank), insight)
