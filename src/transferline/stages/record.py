"""Stage `record`: records every training and evaluation of a candidate in MLflow, also after DVC restored them."""

from pathlib import Path

from transferline.atomic_files import write_json
from transferline.params import Params
from transferline.registry.recording import record_candidate


def run(params: Params, *, models: Path, evaluation: Path, recorded: Path) -> None:
    """Records what the store does not have yet, and writes hashes of what it has.

    `recorded` is in `mlruns`: if the store is deleted, the file is missing too, and DVC runs this stage again.
    """
    known = record_candidate(params, models, evaluation)
    write_json(recorded, known)
