"""Stage `record`: MLflow knows every training and evaluation of a candidate, also after a restore from the cache."""

from pathlib import Path

from transferline.atomic_files import write_json
from transferline.params import Params
from transferline.registry.recording import record_candidate


def run(params: Params, *, models: Path, evaluation: Path, recorded: Path) -> None:
    """Records what the store lacks and writes down what it has now.

    `recorded` lies in `mlruns`, so it is gone when the store is, and DVC runs this stage again.
    """
    known = record_candidate(params, models, evaluation)
    write_json(recorded, known)
