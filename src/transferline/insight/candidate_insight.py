"""The insight of a candidate as files: the table of all images, and what follows from it."""

from pathlib import Path

from transferline.atomic_files import completed_folder
from transferline.datasets.tables import ImageTable
from transferline.evaluation.leaderboard import ranking, read_evaluations
from transferline.insight.insight_table import write_insight_table
from transferline.insight.predict_all_images import predict_all_images
from transferline.params import Params
from transferline.problems.metric_choice import metric_table
from transferline.progress import say


def better_phase(evaluation: Path, params: Params) -> str:
    """Returns the phase of a candidate that the leaderboard ranks first: no other can be selected.

    Args:
        evaluation: the folder of the candidate's evaluation, `<phase>/` for each of its phases.
        params: `select.metric`, and the metrics of `evaluate`.
    """
    metric, entries = params.select.metric, read_evaluations(evaluation.parent, [evaluation.name])
    is_loss = metric_table(entries[0].metrics["problem"], params.evaluate)[metric].is_loss
    return ranking(entries, metric, is_loss)[0].phase


def write_insight(
    params: Params, table: ImageTable, raw: Path, models: Path, evaluation: Path, bank: Path, out: Path
) -> None:
    """Writes the folder `out`; see `InsightTable`. An existing folder is replaced.

    Args:
        params: the params.
        table: the manifest.
        raw: the folder of the images.
        models: the folder with the candidate's model folders, `<phase>/`.
        evaluation: the folder of the candidate's evaluation.
        bank: the candidate's bank; an empty folder if it has none.
        out: the folder to write.
    """
    phase = better_phase(evaluation, params)
    found = predict_all_images(models / phase, table, raw, params.compute)
    with completed_folder(out) as partial:
        write_insight_table(found, partial)
    say(f"insight: {len(found.rows)} images by {found.candidate} {phase}; see {out}")
