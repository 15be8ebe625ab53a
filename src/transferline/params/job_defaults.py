"""The defaults that depend on the kind of problem and on the dataset."""

import re
from typing import Any

from transferline.params.problem_kinds import KINDS
from transferline.params.section import NAME

NAMED_LIKE_THE_DATASET = ("promote.model_name", "record.experiment")


def job_defaults(problem: object, dataset: object) -> dict[str, Any]:
    """Returns these defaults by dotted key. For an unknown kind of problem, it uses the first kind in `KINDS`."""
    kind = next((kind for name, kind in KINDS.items() if name == problem), next(iter(KINDS.values())))
    is_name = isinstance(dataset, str) and re.fullmatch(NAME, dataset)
    named = dataset if is_name else "dataset"  # a wrong dataset is one fault, not three
    thresholds = {"kind": "per_class"} if kind.several_labels else None
    return {
        "thresholds": thresholds,
        "select.metric": kind.main_metric,
        **dict.fromkeys(NAMED_LIKE_THE_DATASET, named),
    }


def with_job_defaults(tree: Any) -> Any:
    """Returns a tree of params with these defaults for missing keys. It does not change a tree without `data`."""
    data = tree.get("data") if isinstance(tree, dict) else None
    if not isinstance(data, dict):
        return tree
    filled = dict(tree)
    for key, value in job_defaults(data.get("problem"), data.get("dataset")).items():
        section, _, name = key.rpartition(".")
        if not section:
            filled.setdefault(name, value)
        elif isinstance(filled.setdefault(section, {}), dict):
            filled[section] = {name: value, **filled[section]}
    return filled
