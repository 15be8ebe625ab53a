"""The commands about datasets: `transferline data …`."""

import argparse
from pathlib import Path

from transferline import environment
from transferline.cli.arguments import Commands, add_command, png
from transferline.errors import TransferlineError
from transferline.paths import RAW


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    group = commands.add_parser("data", help="bring in a dataset of yours, or look at one").add_subparsers(
        required=True
    )
    add = add_command(group, "add", _add, "copy a folder, or unpack an archive, into data/raw and `dvc add` it")
    add.add_argument("source", help="a folder, or the path or URL of a zip or tar")
    add.add_argument("--name", required=True, help="the dataset's name in params.yaml")
    add.add_argument("--sha256", help="that an archive must have")
    show = add_command(group, "show", _show, "draw samples, counts, sizes and brightness of a dataset in data/raw")
    show.add_argument("name", help="the dataset's folder in data/raw")
    show.add_argument("--samples", type=int, choices=range(1, 21), default=6, metavar="N", help="images of each class")
    show.add_argument("--out", type=png, help="the PNG, instead of reports/data_NAME.png")


def _add(options: argparse.Namespace) -> int:
    """`transferline data add`: prints what was found and the block of params.yaml that reads it."""
    from transferline.datasets.add import add
    from transferline.datasets.contents import describe

    source = options.source if "://" in options.source else str(Path(options.source).resolve())
    found = add(source, options.name, environment.enter_project(), options.sha256)
    print(describe(options.name, found))
    return 0


def _show(options: argparse.Namespace) -> int:
    """`transferline data show`: draws a dataset and prints what is in it."""
    from transferline.datasets.show import layout_of, look, summary
    from transferline.datasets.show_picture import draw
    from transferline.params import load_params
    from transferline.params.layouts import has_masks

    out = options.out.resolve() if options.out else Path("reports") / f"data_{options.name}.png"
    data = load_params(environment.enter_project() / "params.yaml").data
    raw = RAW / options.name
    layout = layout_of(raw, data)
    found = look(raw, layout, data.masks if has_masks(layout) else None)
    try:
        draw(found, raw, options.samples, out)
    except OSError as error:
        raise TransferlineError(f"{out} cannot be written: {error.strerror}") from error
    print(f"{raw}: {summary(found, layout)}\nwritten: {out}")
    return 0
