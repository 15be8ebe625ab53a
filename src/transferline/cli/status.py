"""`transferline status`: the stages that are up to date or would run and why, and the champion."""

from pathlib import Path

from transferline.datasets.changes_by_hand import describe_by_hand
from transferline.datasets.dvc_add import files_below, require_versionable
from transferline.datasets.revisions import dvc_file
from transferline.params import Params, load_params
from transferline.params.missing import listed, missing_keys
from transferline.paths import RAW
from transferline.pipeline import reasons_by_stage
from transferline.registry.champion import describe_champion


def status(root: Path) -> str:
    """Returns the lines of `transferline status`.

    Raises:
        TransferlineError: the params are faulty, or DVC or MLflow does not answer.
    """
    params = load_params(root / "params.yaml")
    dataset = params.data.dataset
    require_versionable(
        files_below(root / RAW / dataset), RAW / dataset
    )  # DVC stops at some of them with its own error
    stages = reasons_by_stage(root)
    if stages.get(dvc_file(dataset).as_posix()) and (changes := describe_by_hand(root, dataset)):
        stages[dvc_file(dataset).as_posix()] = [changes]
    width, changed = max(map(len, stages)), sum(map(bool, stages.values()))
    lines = [f"{name:<{width}}  {'; '.join(reasons) or 'up to date'}" for name, reasons in stages.items()]
    would = f"`transferline run` would run {changed} of {len(stages)} stages" if changed else "everything is up to date"
    return "\n".join([*lines, "", *_lacking(params, root), would, describe_champion(params, root)])


def _lacking(params: Params, root: Path) -> list[str]:
    keys = missing_keys((root / "params.yaml").read_text(encoding="utf-8"), params)
    return [f"params.yaml lacks {listed(keys)}; `transferline run` writes them with their defaults"] if keys else []
