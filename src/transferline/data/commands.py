"""What the commands data add, relabel, exclude and show do."""

import argparse
from pathlib import Path

from transferline import environment
from transferline.errors import TransferlineError
from transferline.paths import CORRECTIONS, RAW


def add(options: argparse.Namespace) -> int:
    """`transferline data add`: prints what was found and the block of params.yaml that reads it."""
    from transferline.data.add import add
    from transferline.data.survey import describe

    source = options.source if "://" in options.source else str(Path(options.source).resolve())
    found = add(source, options.name, environment.enter_project(), options.sha256)
    print(describe(options.name, found))
    return 0


def relabel(options: argparse.Namespace) -> int:
    """`transferline data relabel`: corrects the label of an image."""
    return _correct(options, options.label, options.never_test)


def exclude(options: argparse.Namespace) -> int:
    """`transferline data exclude`: leaves an image out."""
    return _correct(options, None, never_test=False)


def _correct(options: argparse.Namespace, label: str | None, never_test: bool) -> int:
    from transferline.data.relabel import correct

    typed_in = Path.cwd()
    root = environment.enter_project()
    print(correct(root, options.name, (typed_in, options.path), label, options.reason, never_test))
    return 0


def show(options: argparse.Namespace) -> int:
    """`transferline data show`: draws a dataset and prints what is in it."""
    from transferline.data.show import layout_of, look, summary
    from transferline.data.show_picture import draw
    from transferline.params import load_params
    from transferline.params.layouts import has_masks

    out = options.out.resolve() if options.out else Path("reports") / f"data_{options.name}.png"
    data = load_params(environment.enter_project() / "params.yaml").data
    raw = RAW / options.name
    layout = layout_of(raw, data)
    masks, corrections = data.masks if has_masks(layout) else None, CORRECTIONS / f"{options.name}.csv"
    found = look(raw, layout, masks, corrections)
    try:
        draw(found, raw, options.samples, out)
    except OSError as error:
        raise TransferlineError(f"{out} cannot be written: {error.strerror}") from error
    print(f"{raw}: {summary(found, layout)}\nwritten: {out}")
    return 0
