"""The insight of a candidate as files: the table of all images, and the answers to the questions about them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from transferline.arrays import Counts, Floats
from transferline.atomic_files import completed_folder, write_json
from transferline.datasets.tables import ImageTable
from transferline.evaluation.ranking import ranking, read_evaluations
from transferline.insight.doubtful_labels import COUNTS_FILE, DOUBTFUL_FILE, doubtful_labels
from transferline.insight.frozen_features import frozen_features
from transferline.insight.insight_table import InsightTable, images_by_split, write_insight_table
from transferline.insight.kept_together import units
from transferline.insight.learning_curves import CURVES_FILE, learning_curves, sentences
from transferline.insight.learning_curves_picture import PICTURE_FILE, plot_learning_curves
from transferline.insight.linear_heads import components
from transferline.insight.mistakes import MISTAKES_FILE, mistake_heat_maps
from transferline.insight.novelty import training_distance
from transferline.insight.predict_all_images import predict_all_images
from transferline.insight.weak_slices import SLICES_FILE, weak_slices
from transferline.models.exported import load_model, read_card
from transferline.not_applicable import NotApplicableError
from transferline.params import Params
from transferline.problems.evaluation import label_evaluation_of
from transferline.problems.insight import insight_of
from transferline.problems.metric_choice import metric_table
from transferline.progress import say


class FrozenImages(NamedTuple):
    """The images with frozen features.

    Attributes:
        rows: n rows of `InsightTable.rows`, with the index 0, 1, …
        values: (n, components), see `components`.
        unit: (n,), see `units`.
    """

    rows: pd.DataFrame
    values: Floats
    unit: Counts


@dataclass(frozen=True)
class InsightInputs:
    """What the questions about the images of a candidate need.

    Attributes:
        params: the params.
        manifest: the manifest.
        raw: the folder of the images.
        models: the folder with the candidate's model folders, `<phase>/`.
        evaluation: the folder of the candidate's evaluation, `<phase>/` for each of its phases.
        bank: the candidate's bank; an empty folder if it has none.
    """

    params: Params
    manifest: ImageTable
    raw: Path
    models: Path
    evaluation: Path
    bank: Path

    @cached_property
    def phase(self) -> str:
        """The phase that the leaderboard ranks first: no other phase of the candidate can be selected."""
        metric, entries = self.params.select.metric, read_evaluations(self.evaluation.parent, [self.evaluation.name])
        is_loss = metric_table(entries[0].metrics["problem"], self.params.evaluate)[metric].is_loss
        return ranking(entries, metric, is_loss)[0].phase

    @cached_property
    def table(self) -> InsightTable:
        """The predictions of the model of `phase` for all kept images."""
        return predict_all_images(self.models / self.phase, self.manifest, self.raw, self.params.compute)

    @cached_property
    def frozen(self) -> FrozenImages:
        """The images with frozen features.

        Raises:
            NotApplicableError: the candidate has no bank of vectors, or the images have no labels.
        """
        insight_of(self.table.problem)  # raises NotApplicableError if the images have no labels
        known, features = frozen_features(self.bank, self.models, self.raw, self.table)
        kept = self.manifest.rows[self.manifest.rows["kept"]].iloc[known]
        unit = units(kept, self.params.validate_.near_duplicate_bits)
        return FrozenImages(self.table.rows.iloc[known].reset_index(drop=True), components(features), unit)


def _write_doubtful_labels(inputs: InsightInputs, folder: Path) -> None:
    table, frozen, seed = inputs.table, inputs.frozen, inputs.params.evaluate.seed
    found = doubtful_labels(frozen.rows, frozen.values, frozen.unit, table.problem, table.classes, seed)
    found.to_parquet(folder / DOUBTFUL_FILE, index=False)
    write_json(folder / COUNTS_FILE, images_by_split(frozen.rows))
    say(f"insight: {int(found['confident'].sum())} labels may be wrong; see `transferline data doubtful`")


def _write_learning_curves(inputs: InsightInputs, folder: Path) -> None:
    table, frozen, kind = inputs.table, inputs.frozen, insight_of(inputs.table.problem)
    used = (frozen.rows["split"] != "test").to_numpy()  # what to photograph next must not depend on test images
    found = learning_curves(
        frozen.values[used],
        frozen.unit[used],
        kind.answers(frozen.rows["label"][used], table.classes),
        kind.possible(table.classes),
        kind.about_classes(table.classes),
        inputs.params.evaluate,
    )
    write_json(folder / CURVES_FILE, found)
    plot_learning_curves(found, folder / PICTURE_FILE)
    say("insight: " + "; ".join(sentences(found)[:2]))


def _write_weak_slices(inputs: InsightInputs, folder: Path) -> None:
    table = inputs.table
    insight_of(table.problem)  # raises NotApplicableError if the images have no labels
    predictions = pd.read_parquet(inputs.evaluation / inputs.phase / "predictions.parquet")
    mistakes = label_evaluation_of(table.problem).mistakes(predictions)
    place = pd.Index(table.rows["path"]).get_indexer(predictions["path"])
    measured = table.rows.iloc[place].reset_index(drop=True)
    images = measured.assign(predicted=predictions["predicted"], certainty=mistakes["certainty"])
    features = None if table.features is None else table.features[place]
    write_json(folder / SLICES_FILE, weak_slices(images, features, inputs.params.evaluate))


def _write_mistakes(inputs: InsightInputs, folder: Path) -> None:
    insight_of(inputs.table.problem)  # raises NotApplicableError if the images have no labels
    predictions = pd.read_parquet(inputs.evaluation / inputs.phase / "predictions.parquet")
    model = inputs.models / inputs.phase
    card = read_card(model)
    if not (predictions["split"] == "test").any() and "validation" in card.trained_on:
        raise NotApplicableError("the refitted model was trained on the images of the mistakes")
    found = mistake_heat_maps(predictions, load_model(model), card, inputs.raw)
    found.to_parquet(folder / MISTAKES_FILE, index=False)


def _write_novelty(inputs: InsightInputs, folder: Path) -> None:
    training_distance(inputs.table, inputs.params.novelty, inputs.params.evaluate.seed).write(folder)


QUESTIONS: dict[str, Callable[[InsightInputs, Path], None]] = {
    "doubtful_labels": _write_doubtful_labels,
    "learning_curves": _write_learning_curves,
    "weak_slices": _write_weak_slices,
    "mistakes": _write_mistakes,
    "novelty": _write_novelty,
}


def write_insight(inputs: InsightInputs, out: Path) -> None:
    """Writes the folder `out`: the files of `InsightTable`, and those of `QUESTIONS`. An existing folder is replaced.

    `insight.json` has the reason for each question that has no answer for the candidate.
    """
    from threadpoolctl import threadpool_limits

    reasons: dict[str, str] = {}
    with completed_folder(out) as partial:
        found = inputs.table
        for name, write in QUESTIONS.items():
            try:
                with threadpool_limits(1):  # one thread: the same bits on any number of cores
                    write(inputs, partial)
            except NotApplicableError as reason:
                reasons[name] = str(reason)
                say(f"insight: {name} is not applicable: {reason}")
        write_insight_table(found, reasons, partial)
    say(f"insight: {len(found.rows)} images by {found.candidate} {found.phase}; see {out}")
