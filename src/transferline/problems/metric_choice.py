"""The metrics of each kind of problem, and a check of the params. Imports little, because every stage runs it."""

from transferline.errors import TransferlineError
from transferline.metrics.classification import CLASSIFICATION
from transferline.metrics.metric_table import MetricTable
from transferline.metrics.multilabel import MULTILABEL
from transferline.metrics.own_metrics import own_metric_table
from transferline.metrics.segmentation import SEGMENTATION
from transferline.own_code import require_file
from transferline.params import Evaluate, Params, Problem
from transferline.params.problem_kinds import KINDS

METRICS: dict[Problem, MetricTable] = {
    "binary": CLASSIFICATION,
    "multiclass": CLASSIFICATION,
    "multilabel": MULTILABEL,
    "segmentation": SEGMENTATION,
}


def metric_table(problem: Problem, params: Evaluate) -> MetricTable:
    """Returns the metrics by which models are rated: those of the kind of problem, and the user's own."""
    return METRICS[problem] | own_metric_table(params.metrics)


def check_metrics(params: Params) -> None:
    """Checks the metrics that `params.yaml` names.

    Raises:
        TransferlineError: a metric does not exist, the file of one of the user's own is missing, or its name is already
            in use.
    """
    problem, chosen, own = params.data.problem, params.select.metric, params.evaluate.metrics
    known = metric_table(problem, params.evaluate)
    names = [*METRICS[problem], *(one.name for one in own)]
    for one in own:
        require_file(one.function)
        if names.count(one.name) > 1:
            raise TransferlineError(
                f"evaluate.metrics: {one.function}: another metric has the name {one.name}; rename the function"
            )
    if own and KINDS[problem].has_masks:
        raise TransferlineError(
            f"evaluate.metrics: a {problem} problem cannot have metrics of your own, because the probabilities of all "
            "pixels are not stored; remove the key"
        )
    if chosen not in known:
        raise TransferlineError(
            f"select.metric: {chosen} is not a metric of a {problem} problem; allowed are {', '.join(known)}"
        )
