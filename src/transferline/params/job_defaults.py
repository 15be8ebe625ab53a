"""The defaults that depend on the kind of problem and on the dataset."""

import re
from typing import Any

from transferline.params.problem_kinds import KINDS
from transferline.params.section import NAME

NAMES_IN_MLFLOW = ("promote.model_name", "record.experiment")


def job_defaults(problem: object, name: object) -> dict[str, Any]:
    """Returns these defaults by dotted key. For an unknown kind of problem, it uses the first kind in `KINDS`.

    Args:
        problem: the kind of problem.
        name: the name in MLflow.
    """
    kind = next((kind for key, kind in KINDS.items() if key == problem), next(iter(KINDS.values())))
    is_name = isinstance(name, str) and re.fullmatch(NAME, name)
    named = name if is_name else "dataset"  # a wrong dataset is one fault, not three
    of_labels = {"thresholds.kind": "per_class" if kind.several_labels else None}
    return {
        **({"thresholds": None} if kind.has_masks else of_labels),
        "select.metric": kind.main_metric,
        **dict.fromkeys(NAMES_IN_MLFLOW, named),
    }


def with_job_defaults(tree: Any, project: str | None = None) -> Any:
    """Returns a tree of params with these defaults for missing keys. It does not change a tree without `data`.

    Args:
        tree: what a params file contains.
        project: the name in MLflow; None for the name of the dataset.
    """
    data = tree.get("data") if isinstance(tree, dict) else None
    if not isinstance(data, dict):
        return tree
    filled = dict(tree)
    for key, value in job_defaults(data.get("problem"), project or data.get("dataset")).items():
        section, _, name = key.rpartition(".")
        if not section:
            filled.setdefault(name, value)
        elif isinstance(filled.setdefault(section, {}), dict):
            filled[section] = {name: value, **filled[section]}
    return filled
