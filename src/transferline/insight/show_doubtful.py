"""Shows doubtful labels as text, and as a picture with the nearest images."""

import json
import shlex
from pathlib import Path

import pandas as pd

from transferline.datasets.contact_sheet import Tile, contact_sheet, empty_tile
from transferline.datasets.tables import SEPARATOR
from transferline.insight.doubtful_labels import COUNTS_FILE, DOUBTFUL_FILE, NEAREST
from transferline.insight.insight_table import IMAGES_FILE, read_insight_table
from transferline.paths import require_outputs
from transferline.plots import ORANGE

IN_A_ROW = 2
LEAST_AGREEMENT = 0.8


def describe_doubtful(folder: Path, dataset: str, most: int) -> str:
    """Returns the doubtful labels, and for each the command that corrects it.

    Args:
        folder: `insight/<candidate>`.
        dataset: the name of the dataset.
        most: how many labels are shown, the most doubtful first.

    Raises:
        TransferlineError: a file is missing.
    """
    require_outputs(folder / COUNTS_FILE, folder / DOUBTFUL_FILE)
    images = json.loads((folder / COUNTS_FILE).read_text(encoding="utf-8"))
    found = pd.read_parquet(folder / DOUBTFUL_FILE)
    total, counts = sum(images.values()), ", ".join(f"{split} {count}" for split, count in images.items())
    confident, agreement = int(found["confident"].sum()), 1 - found["path"].nunique() / total
    lines = [
        f"{dataset}, {total} images ({counts}), by the frozen features of {folder.name}: "
        f"labels that are probably wrong (marked *): {confident}; others that may be wrong: {len(found) - confident}"
    ]
    for row in found.head(most).to_dict("records"):
        mark, about = "*" if row["confident"] else " ", f" (is it {row['asked']}?)" if row["asked"] else ""
        lines += [
            f"{mark} {row['path']}, {row['split']}: {_shown(row['label'])} {row['score']:.0%}, "
            f"suggested {_shown(row['suggested'])} {row['probability']:.0%}{about}",
            f"    transferline data relabel {shlex.join([dataset, row['path'], row['suggested'] or SEPARATOR])} "
            "--reason 'wrong label'",
        ]
    if agreement < LEAST_AGREEMENT:
        lines.append(f"the features agree with only {agreement:.0%} of the labels, so many of these labels are right")
    if len(found) > most:
        lines.append(f"{len(found) - most} more are not shown; --most shows them")
    return "\n".join([*lines, "look at each image first: a rare but right label is doubtful, too"])


def draw_doubtful(folder: Path, raw: Path, most: int, path: Path) -> None:
    """Draws doubtful images, each with its nearest images and their labels, as a PNG.

    Args:
        folder: `insight/<candidate>`.
        raw: the folder of the images.
        most: how many doubtful images are drawn, the most doubtful first.
        path: the PNG to write.

    Raises:
        TransferlineError: a file is missing.
    """
    require_outputs(folder / IMAGES_FILE)
    found = pd.read_parquet(folder / DOUBTFUL_FILE).drop_duplicates("path").head(most)
    labels = read_insight_table(folder).rows.set_index("path")["label"]
    tiles = list[Tile]()
    for row in found.to_dict("records"):
        caption = f"{_shown(row['label'])}\nor {_shown(row['suggested'])}?\n{row['path']}"
        near = [Tile(raw / other, f"nearest\n{_shown(labels[other])}\n{other}") for other in row["nearest"]]
        tiles += [Tile(raw / row["path"], caption, ORANGE), *near, *[empty_tile()] * (NEAREST - len(near))]
    title = (
        f"{raw.name}: the {len(found)} most doubtful labels (orange), each with the images whose features are nearest"
    )
    contact_sheet(tiles, path, (1 + NEAREST) * IN_A_ROW, title)


def _shown(label: str) -> str:
    return label or "no label"
