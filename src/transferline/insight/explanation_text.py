"""Explanations as text for the terminal."""

from collections.abc import Sequence

from transferline.insight.explanation import ClassReasons, ExplainedModel, Explanation
from transferline.problems.label_output import novelty_in_words
from transferline.text import printable


def explanation_as_text(explanation: Explanation) -> str:
    """Returns some lines: the path, then each class with its probability, the peak of its map, and its neighbours.

    Before the path of a neighbour is its similarity.
    """
    lines = [printable(explanation.prediction.path)]
    for reasons in explanation.classes:
        lines.append(f"  {class_in_words(reasons)}; {peak_in_words(reasons)}")
        lines += [f"    {one.similarity:.3f}  {printable(one.path)}" for one in reasons.neighbours]
    lines += [f"  {words}" for words in [novelty_in_words(explanation.prediction)] if words]
    return "\n".join(lines)


def class_in_words(reasons: ClassReasons) -> str:
    """Returns name, probability and role: `glass 0.8123` or `plastic 0.1200, not predicted`."""
    return f"{reasons.name} {reasons.probability:.4f}" + ("" if reasons.is_predicted else ", not predicted")


def peak_in_words(reasons: ClassReasons) -> str:
    """Returns where the heat map has its peak, or that no place supports the class."""
    if reasons.heat.max() <= 0:
        return "no part of the image supports it"
    x, y = reasons.peak
    return f"most support at {x:.0%} of the width from the left, {y:.0%} of the height from the top"


def labels_in_words(explanation: Explanation) -> str:
    """Returns the predicted labels, separated by commas, or the reason why there is none."""
    found = explanation.prediction
    return ", ".join(found.labels) or f"no label{f': {found.reason}' if found.reason else ''}"


def changes_in_words(before: Explanation, after: Explanation) -> str:
    """Returns what changed between two models for the same image: labels, and the probability of each class shown."""
    labels = [labels_in_words(each) for each in (before, after)]
    what = f"{labels[0]} → {labels[1]}" if labels[0] != labels[1] else f"{labels[0]}, as before"
    names = dict.fromkeys(reasons.name for each in (after, before) for reasons in each.classes)
    values = [each.probabilities for each in (before, after)]
    moves = [
        f"{name} {values[0][name]:.4f} → {values[1][name]:.4f}" if name in values[0] else f"{name} is a new class"
        for name in names
        if name in values[1]
    ]
    gone = [f"{name} is no longer a class" for name in names if name not in values[1]]
    return f"{what} ({'; '.join([*moves, *gone])})"


def model_in_words(model: ExplainedModel) -> str:
    """Returns a line for each fact about a model: name, candidate, phase, origin, and why features are missing."""
    lines = [f"explained by {model.name} ({model.card.candidate}, {model.card.phase})"]
    lines += [f"  {name}: {value}" for name, value in model.origin.items()]
    lines += [f"  heat map: {model.heat_maps.method}"]
    lines += [f"  nearest training images: {model.missing}"] if model.missing else []
    return "\n".join(lines)


def all_as_text(models: Sequence[ExplainedModel], found: Sequence[Sequence[Explanation]]) -> str:
    """Returns the whole text for some images.

    Args:
        models: one model, or the earlier and the later one.
        found: for each image the explanation of each model.
    """
    blocks = []
    for explanations in found:
        for model, explanation in zip(models, explanations, strict=True):
            named = f"{model.name}: " if len(models) > 1 else ""
            blocks.append(named + explanation_as_text(explanation))
        if len(explanations) > 1:
            blocks.append(f"changed: {changes_in_words(*explanations)}")
    return "\n".join([*blocks, *map(model_in_words, models)])
