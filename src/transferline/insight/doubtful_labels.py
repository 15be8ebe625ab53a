"""The labels of a dataset that are probably wrong, by heads on frozen features that never saw the label in question."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transferline.arrays import Counts, Floats, Positions
from transferline.insight.confident_learning import doubts
from transferline.insight.kept_together import folds
from transferline.insight.linear_heads import best_strength, out_of_fold, repeats
from transferline.not_applicable import NotApplicableError
from transferline.params import Problem
from transferline.problems.insight import insight_of

DOUBTFUL_FILE = "doubtful.parquet"
COUNTS_FILE = "doubtful.json"  # the numbers of the images whose labels were asked about, by split
FOLDS, REPEATS = 5, 3
LEAST_UNITS = 20
NEAREST = 3


def out_of_fold_probabilities(values: Floats, answers: Counts, unit: Counts, count: int, seed: int) -> Floats:
    """Returns the mean probabilities of heads that did not train on the image's unit, (n, count).

    Args:
        values: (n, components), see `components`.
        answers: (n,) the number of each image's answer.
        unit: (n,) see `units`.
        count: the number of possible answers.
        seed: fixes the folds.
    """
    divisions = [folds(unit, answers, FOLDS, seed + number) for number in range(repeats(len(values), REPEATS))]
    l2 = best_strength(values, answers, divisions[0], count)
    return np.asarray(np.mean([out_of_fold(values, answers, fold, count, l2) for fold in divisions], axis=0))


def doubtful_labels(
    rows: pd.DataFrame, values: Floats, unit: Counts, problem: Problem, classes: tuple[str, ...], seed: int
) -> pd.DataFrame:
    """Finds labels for which another label is more probable; see `InsightOfKind` for the questions.

    Args:
        rows: n images with `path`, `split` and `label`, of all splits.
        values: (n, components), see `components`.
        unit: (n,) see `units`.
        problem: the kind of problem.
        classes: the names of the classes.
        seed: fixes the folds.

    Returns:
        A row for each doubtful label, the most doubtful first: `path`, `split`, `label` (the given one), `suggested`
        (with all doubtful labels of the image changed, if it can have several), `asked` (the class in question; "" if
        an image has one label), `score` (probability of the given answer, 0 to 1), `probability` (that of the
        suggested answer), `confident` (whether confident learning counts the label as wrong, see
        `confidently_wrong`), `nearest` (paths of the nearest images of other units, the nearest first). Labels with
        fewer than `FOLDS` units are never doubtful: heads cannot know them.

    Raises:
        NotApplicableError: there are fewer than `LEAST_UNITS` units.
    """
    if (count := len(np.unique(unit))) < LEAST_UNITS:
        raise NotApplicableError(f"there are {count} images; {LEAST_UNITS} are needed")
    kind = insight_of(problem)
    given, suggested, parts = kind.answers(rows["label"], classes), list[Counts](), []
    for name, answers in zip(kind.asked(classes), given, strict=True):
        likely = out_of_fold_probabilities(values, answers, unit, kind.possible(classes), seed)
        found = doubts(likely, answers)
        probability = likely[np.arange(len(answers)), found.suggested]
        is_doubtful = (probability > found.score) & (_units_with_same(answers, unit) >= FOLDS)
        suggested.append(np.where(is_doubtful, found.suggested, answers))
        columns = {"score": found.score, "probability": probability, "confident": found.confident}
        parts.append(rows[["path", "split", "label"]].assign(asked=name, **columns)[is_doubtful])
    changed = kind.labels(suggested, classes).set_axis(rows.index)
    table = pd.concat(parts)
    table.insert(3, "suggested", changed[table.index])
    table["nearest"] = _nearest(rows, values, unit, rows.index.get_indexer(table.index))
    return table.sort_values(["score", "path"], kind="stable", ignore_index=True)


def _units_with_same(answers: Counts, unit: Counts) -> Counts:
    """Returns for each image the number of units with its answer, (n,)."""
    return pd.Series(unit).groupby(answers).transform("nunique").to_numpy(np.int64)


def _nearest(rows: pd.DataFrame, values: Floats, unit: Counts, wanted: Positions) -> list[Sequence[str]]:
    """Returns for each wanted image the paths of the images of other units whose features have the smallest angle."""
    directions = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    paths, found = rows["path"].to_numpy(object), list[Sequence[str]]()
    for position in wanted:
        cosines = np.where(unit == unit[position], -np.inf, directions @ directions[position])
        order = np.argsort(-cosines, kind="stable")[:NEAREST]
        found.append(list(paths[order[np.isfinite(cosines[order])]]))
    return found
