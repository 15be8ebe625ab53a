"""What the commands below `transferline data` do."""

import argparse
import sys
from pathlib import Path

from transferline import environment
from transferline.errors import TransferlineError
from transferline.paths import CORRECTIONS, RAW


def add(options: argparse.Namespace) -> int:
    """`transferline data add`: prints what was found and the block of params.yaml that reads it, or what was merged."""
    from transferline.data.add import add
    from transferline.data.survey import describe

    source = options.source if "://" in options.source else str(Path(options.source).resolve())
    root = environment.enter_project()
    if options.into:
        from transferline.data.merge import merge

        merged = merge(source, options.into, root, options.sha256, options.replace)
        commit = f"\ncommit {RAW / options.into}.dvc" if merged.difference else ""
        print(f"{RAW / options.into}: {merged}{commit}")
        return 0
    if options.replace:
        raise TransferlineError("--replace goes with --into: a new dataset has nothing to replace")
    found = add(source, options.name, root, options.sha256)
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


def diff(options: argparse.Namespace) -> int:
    """`transferline data diff`: prints what differs between two versions, and draws it if asked to."""
    from transferline.data.diff import describe, diff

    out = options.out.resolve() if options.out else None
    compared = diff(environment.enter_project(), options.name, options.revisions)
    print(describe(compared, options.name))
    if out:
        from transferline.data.diff_picture import draw

        try:
            grey = draw(compared, options.name, out)
        except OSError as error:
            raise TransferlineError(f"{out} cannot be written: {error.strerror}") from error
        lacking = f" ({grey} pictures are grey: DVC's cache lacks them, `dvc fetch` brings them)" if grey else ""
        print(f"written: {out}{lacking}")
    return 0


def remove(options: argparse.Namespace) -> int:
    """`transferline data remove`: takes photographs out, or removes the dataset after it has asked."""
    from transferline.data.remove import remove_dataset, remove_photographs

    root = environment.enter_project()
    if options.paths:
        print(f"{RAW / options.name}: {remove_photographs(root, options.name, options.paths)}")
    else:
        print(remove_dataset(root, options.name, lambda listing: _agreed(listing, options.yes)))
    return 0


def _agreed(listing: str, yes: bool) -> bool:
    print(listing)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise TransferlineError("nothing was removed: there is no terminal to ask at; give --yes")
    return input("remove it? [y/N] ").strip().lower() in ("y", "yes")
