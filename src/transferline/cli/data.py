"""The commands about datasets: `transferline data …`."""

import argparse
import sys
from pathlib import Path

from transferline import environment
from transferline.cli.arguments import Commands, add_command, dataset, png, positive, utf8_text
from transferline.errors import TransferlineError
from transferline.paths import CORRECTIONS, RAW
from transferline.problems.predicted_files import writing


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    about = "add, change, correct and show datasets"
    data = commands.add_parser("data", help=about, description=about)
    group = data.add_subparsers(required=True, metavar="COMMAND")
    data.set_defaults(commands=group)
    for add in (_add_add, _add_corrections, _add_doubtful, _add_show, _add_diff, _add_remove):
        add(group)


def _add_add(group: Commands) -> None:
    add = add_command(
        group,
        "add",
        _add,
        "copy a folder, or unpack an archive, into a dataset, and `dvc add` it",
        "photos.zip --name waste",
    )
    add.add_argument("source", help="a folder, or the path or URL of a zip or tar archive")
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="the name of the new dataset in params.yaml")
    which.add_argument("--into", type=dataset, metavar="NAME", help="the existing dataset to which the files are added")
    add.add_argument("--replace", action="store_true", help="with --into: replace files that have the same path")
    add.add_argument("--sha256", help="the sha256 that the archive must have")


def _add_corrections(group: Commands) -> None:
    relabel = add_command(
        group,
        "relabel",
        _relabel,
        "correct the label of an image, in data/corrections",
        "waste glass/7.jpg metal --reason 'a can'",
    )
    exclude = add_command(
        group,
        "exclude",
        _exclude,
        "leave an image out, in data/corrections; its file stays",
        "waste glass/8.jpg --reason blurred",
    )
    for correction in (relabel, exclude):
        correction.add_argument("name", type=dataset, help="the dataset's folder in data/raw")
        correction.add_argument("path", help="the image, relative to that folder or to the working directory")
        correction.add_argument(
            "--reason", type=utf8_text, required=True, metavar="TEXT", help="the reason, for later readers"
        )
    relabel.add_argument("label", help="the right class; several labels are separated by |, a single | means no label")
    relabel.add_argument("--never-test", action="store_true", help="keep it, and its group, out of the test split")


def _add_doubtful(group: Commands) -> None:
    doubtful = add_command(
        group,
        "doubtful",
        _doubtful,
        "show labels that are probably wrong, and how to correct them",
        "--out doubtful.png",
    )
    doubtful.add_argument(
        "--candidate", metavar="KEY", help="the candidate whose features are used; by default the selected one"
    )
    doubtful.add_argument("--most", type=positive, default=20, metavar="N", help="how many labels; 20 by default")
    doubtful.add_argument("--out", type=png, help="draw them, with the nearest images, into this PNG")


def _add_show(group: Commands) -> None:
    show = add_command(
        group, "show", _show, "draw samples, counts, sizes and brightness of a dataset in data/raw", "waste"
    )
    show.add_argument("name", type=dataset, help="the dataset's folder in data/raw")
    show.add_argument(
        "--samples", type=int, choices=range(1, 21), default=6, metavar="N", help="images of each class; 6 by default"
    )
    show.add_argument("--out", type=png, help="the PNG, instead of reports/data_NAME.png")


def _add_diff(group: Commands) -> None:
    diff = add_command(
        group, "diff", _diff, "show the differences between two versions of a dataset", "waste HEAD~1 --out diff.png"
    )
    diff.add_argument("name", type=dataset, help="the dataset's folder in data/raw")
    diff.add_argument("revisions", nargs="?", metavar="REV", help="a Git revision, or OLD..NEW, instead of HEAD")
    diff.add_argument("--out", type=png, help="draw samples of new, removed and changed images into this PNG")


def _add_remove(group: Commands) -> None:
    remove = add_command(
        group, "remove", _remove, "remove images from a dataset, or remove the dataset", "waste glass/9.jpg"
    )
    remove.add_argument("name", type=dataset, help="the dataset's folder in data/raw")
    remove.add_argument(
        "paths", nargs="*", metavar="PATH", help="files and folders in the dataset; by default the whole dataset"
    )
    remove.add_argument("--yes", action="store_true", help="remove the dataset without asking")


def _add(options: argparse.Namespace) -> int:
    """`transferline data add`: prints a summary and the section of params.yaml that reads it, or what was merged."""
    from transferline.datasets.add import add
    from transferline.datasets.layout_proposal import describe_folder

    source = options.source if "://" in options.source else str(Path(options.source).resolve())
    root = environment.enter_project()
    if options.into:
        from transferline.datasets.merge import merge

        merged = merge(source, options.into, root, options.sha256, options.replace)
        commit = f"\ncommit {RAW / options.into}.dvc" if merged.difference else ""
        print(f"{RAW / options.into}: {merged}{commit}")
        return 0
    if options.replace:
        raise TransferlineError("--replace needs --into: a new dataset has no files to replace")
    found = add(source, options.name, root, options.sha256)
    print(describe_folder(options.name, found))
    return 0


def _relabel(options: argparse.Namespace) -> int:
    """`transferline data relabel`: corrects the label of an image."""
    return _correct(options, options.label, options.never_test)


def _exclude(options: argparse.Namespace) -> int:
    """`transferline data exclude`: leaves an image out."""
    return _correct(options, None, never_test=False)


def _correct(options: argparse.Namespace, label: str | None, never_test: bool) -> int:
    from transferline.datasets.relabel import correct

    typed_in = Path.cwd()
    root = environment.enter_project()
    print(correct(root, options.name, (typed_in, options.path), label, options.reason, never_test))
    return 0


def _doubtful(options: argparse.Namespace) -> int:
    """`transferline data doubtful`: prints doubtful labels, and draws them with `--out`."""
    from transferline.insight.read_insight import insight_folder
    from transferline.insight.show_doubtful import describe_doubtful, draw_doubtful
    from transferline.params import load_params

    out, root = options.out.resolve() if options.out else None, environment.enter_project()
    params = load_params(root / "params.yaml")
    dataset, folder = params.data.dataset, insight_folder(root, params, options.candidate, "doubtful_labels")
    print(describe_doubtful(folder, dataset, options.most))
    if out:
        with writing(out):
            draw_doubtful(folder, RAW / dataset, options.most, out)
        print(f"written: {out}")
    return 0


def _show(options: argparse.Namespace) -> int:
    """`transferline data show`: draws a dataset and prints a summary."""
    from transferline.datasets.show import layout_of, look, summary
    from transferline.datasets.show_picture import draw_dataset
    from transferline.params import load_params
    from transferline.params.layouts import has_masks

    out = options.out.resolve() if options.out else Path("reports") / f"data_{options.name}.png"
    params = load_params(environment.enter_project() / "params.yaml")
    data, raw = params.data, RAW / options.name
    layout = layout_of(raw, data)
    masks, corrections = data.masks if has_masks(layout) else None, CORRECTIONS / f"{options.name}.csv"
    found = look(raw, layout, masks, corrections, params.validate_.max_pixels)
    with writing(out):
        draw_dataset(found, raw, options.samples, out, masks)
    print(f"{raw}: {summary(found, layout)}\nwritten: {out}")
    return 0


def _diff(options: argparse.Namespace) -> int:
    """`transferline data diff`: prints the differences between two versions, and draws them with `--out`."""
    from transferline.datasets.diff import describe_changes, diff

    out = options.out.resolve() if options.out else None
    compared = diff(environment.enter_project(), options.name, options.revisions)
    print(describe_changes(compared, options.name))
    if out:
        from transferline.datasets.diff_picture import draw_difference

        with writing(out):
            grey = draw_difference(compared, options.name, out)
        lacking = f" ({grey} pictures are grey: DVC's cache lacks them, `dvc fetch` brings them)" if grey else ""
        print(f"written: {out}{lacking}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    """`transferline data remove`: removes images, or removes the dataset after a question."""
    from transferline.datasets.remove import remove_dataset, remove_photographs

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
        raise TransferlineError("nothing was removed, because there is no terminal for the question; add --yes")
    try:
        return input("remove it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False
