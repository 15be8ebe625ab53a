"""Which metrics each kind of problem has, and whether the params name them. Imports little: every stage checks it."""

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
    """The metrics by which models are rated: those of the kind of problem, and the user's own."""
    return METRICS[problem] | own_metric_table(params.metrics)


def check_metrics(params: Params) -> None:
    """Checks what `params.yaml` names of metrics.

    Raises:
        TransferlineError: a metric that does not exist, one of the user's own without a file, or by the name of
            another, or a test that does not fit the metric.
    """
    problem, chosen, own = params.data.problem, params.select.metric, params.evaluate.metrics
    known = metric_table(problem, params.evaluate)
    names = [*METRICS[problem], *(one.name for one in own)]
    for one in own:
        require_file(one.function)
        if names.count(one.name) > 1:
            raise TransferlineError(f"evaluate.metrics: {one.function}: there is another metric {one.name}; rename it")
    if own and KINDS[problem].has_masks:
        raise TransferlineError(
            f"evaluate.metrics: those of a {problem} problem cannot be your own, because the probabilities of all "
            "pixels are not kept; leave it out"
        )
    if chosen not in known:
        raise TransferlineError(
            f"select.metric: {chosen} is none for a {problem} problem; allowed are {', '.join(known)}"
        )
    if params.promote.test.kind == "mcnemar" and known[chosen].flags is None:
        shares = ", ".join(name for name, metric in known.items() if metric.flags)
        raise TransferlineError(
            f"promote.test.kind: mcnemar compares right and wrong answers, which {chosen} does not count; use "
            f"bootstrap, or select by one of {shares}"
        )
