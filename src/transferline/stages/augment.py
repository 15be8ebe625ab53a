"""Stage `augment`: draws the views of each image."""

from pathlib import Path

from transferline.datasets.tables import read_table, write_table
from transferline.datasets.views import draw_views
from transferline.datasets.views_picture import preview_views
from transferline.params import Params
from transferline.progress import say


def run(params: Params, *, raw: Path, manifest: Path, views: Path, preview: Path) -> None:
    """Writes the table of views and a picture of some of them."""
    table = draw_views(read_table(manifest), params.augment)
    preview_views(table, raw, preview)
    write_table(table, views)
    counts = table.rows["kind"].value_counts()
    say(f"{len(table.rows)} views: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
