"""The defaults that follow from the job: from its kind of problem and its dataset."""

from typing import Any

from transferline.params.problem_kinds import KINDS

NAMED_LIKE_THE_DATASET = ("promote.model_name", "record.experiment")


def job_defaults(problem: object, dataset: object) -> dict[str, Any]:
    """The defaults by dotted key; of a problem that does not exist, those of another one."""
    kind = next((kind for name, kind in KINDS.items() if name == problem), next(iter(KINDS.values())))
    thresholds = {"kind": "per_class"} if kind.several_labels else None
    return {
        "thresholds": thresholds,
        "select.metric": kind.main_metric,
        **dict.fromkeys(NAMED_LIKE_THE_DATASET, dataset),
    }


def with_job_defaults(tree: Any) -> Any:
    """A tree of params with these keys where it lacks them; anything but a tree with `data` stays as it is."""
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
