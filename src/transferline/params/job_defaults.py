"""The defaults that follow from the job: from its kind of problem and its dataset."""

from typing import Any

# dotted keys of `params.yaml`
BY_PROBLEM: dict[str, dict[str, Any]] = {
    "binary": {"thresholds": None, "select.metric": "accuracy"},
    "multiclass": {"thresholds": None, "select.metric": "accuracy"},
    "multilabel": {"thresholds": {"kind": "per_class"}, "select.metric": "mean_average_precision"},
    "segmentation": {"thresholds": None, "select.metric": "mean_iou"},
}
NAMED_LIKE_THE_DATASET = ("promote.model_name", "record.experiment")


def job_defaults(problem: object, dataset: object) -> dict[str, Any]:
    """The defaults by dotted key; of a problem that does not exist, those of another one."""
    by_problem = BY_PROBLEM.get(str(problem), BY_PROBLEM["multiclass"])
    return {**by_problem, **dict.fromkeys(NAMED_LIKE_THE_DATASET, dataset)}


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
