"""The part of a decision report about the data that challenger and champion were trained on."""

from typing import get_args

from transferline.params import Split
from transferline.registry.trained_data import TrainedData

# Keys of a model's row in `decision.json`, where they are known.
DECIDED = ("coverage", "answered_error")  # keys of a model's row, if its card has a limit on confidence
ROBUST = ("under_corruptions", "under_attacks")  # keys of a model's row, if its evaluation has these metrics
SPLITS: tuple[Split, ...] = get_args(Split)


def data_sentences(new: TrainedData, old: TrainedData | None) -> list[str]:
    """Returns sentences about the known training data of each model, and one that explains the table of `data_rows`."""
    sentences = []
    for who, data in (("challenger", new), ("champion", old)):
        if data:
            revisions = f"revision {data.data_revision or 'unknown'}"
            revisions += f", corrections {data.corrections_revision}" if data.corrections_revision else ""
            sentences.append(f"The {who} was trained on {data.dataset}, {revisions}: {data.images:,} images.")
    if old:
        sentences.append("In brackets: the difference to the champion's data.")
    return sentences


def data_rows(new: TrainedData, old: TrainedData | None) -> list[tuple[str, list[str]]]:
    """Returns each class with its number of images in each split, and the difference to the champion's data."""
    names = [*new.classes, *(name for name in (old.classes if old else {}) if name not in new.classes)]

    def cell(name: str, split: str) -> str:
        count = new.classes.get(name, {}).get(split, 0)
        more = count - old.classes.get(name, {}).get(split, 0) if old else 0
        return f"{count} ({more:+})" if more else str(count)

    return [(name, [cell(name, split) for split in SPLITS]) for name in names]
