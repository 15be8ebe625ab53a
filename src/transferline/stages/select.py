"""Stage `select`: chooses the best candidate by a validation metric, and writes the leaderboard and the page."""

from pathlib import Path

from transferline.atomic_files import write_json, write_text
from transferline.evaluation.dvc_metrics_and_plots import metrics_tree, write_plots
from transferline.evaluation.leaderboard import markdown, plot_leaderboard
from transferline.evaluation.ranking import ranking, read_evaluations
from transferline.params import Params
from transferline.problems.metric_choice import metric_table
from transferline.progress import say
from transferline.report.page import write_page


def run(params: Params, *, evaluations: Path, leaderboard: Path, chart: Path, plots: Path, metrics: Path) -> None:
    """Reads `evaluations/<candidate>/<phase>/` and writes leaderboard (Markdown and PNG), DVC's plots and metrics.

    It also renders the page of the retraining, which is no output of DVC: promotion renders it again.
    """
    metric = params.select.metric
    entries = read_evaluations(evaluations, params.candidates)
    is_loss = metric_table(entries[0].metrics["problem"], params.evaluate)[metric].is_loss
    ranked = ranking(entries, metric, is_loss)
    write_text(leaderboard, markdown(ranked, metric))
    plot_leaderboard(ranked, metric, chart)
    write_plots(ranked, plots)
    write_json(metrics, metrics_tree(ranked, metric))
    page = write_page(params, Path.cwd())
    say(f"selected {ranked[0].name} by validation {metric}; see {page.relative_to(Path.cwd())}")
