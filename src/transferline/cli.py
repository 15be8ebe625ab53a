"""The command line: `transferline …`."""

import argparse
import gc
import importlib
import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from transferline import environment
from transferline.data import commands as data_commands
from transferline.errors import TransferlineError
from transferline.prediction import commands as prediction_commands
from transferline.quiet import quiet_imports
from transferline.registry import commands as registry
from transferline.serving import commands as serving
from transferline.warm import DVC, TENSORFLOW, run_in_child, shared_by_stages

STAGES = ("fetch", "validate", "augment", "extract", "train_head", "fine_tune", "train", "evaluate", "record", "select")


def run_stage(name: str, arguments: list[str]) -> None:
    """Runs `stages/<name>.py`: its `run` takes the params and, as keywords, the paths and names on the command line."""
    from transferline.params import load_params

    environment.prepare(Path.cwd())
    with quiet_imports():
        run = importlib.import_module(f"transferline.stages.{name}").run
    parser = argparse.ArgumentParser(f"transferline stage {name}", description=inspect.getdoc(run))
    for keyword, parameter in list(inspect.signature(run).parameters.items())[1:]:
        parser.add_argument(f"--{keyword}", type=parameter.annotation, required=True)
    run(load_params(Path("params.yaml")), **vars(parser.parse_args(arguments)))


def _stage(options: argparse.Namespace) -> int:
    if (status := run_in_child(options.name)) is not None:
        return status
    from transferline.lock import held

    with held(Path.cwd(), f"transferline stage {options.name}"):
        run_stage(options.name, options.arguments)
    return 0


def _flow(name: str) -> Any:
    """The module of a flow, which stands beside `src`."""
    sys.path.insert(0, str(environment.enter_project()))
    gc.disable()  # there is little to collect in imports
    module = importlib.import_module(f"flows.{name}")
    gc.enable()
    return module


def _run(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.ui import embedded_server

    root = environment.enter_project()
    recipe = str(options.recipe.resolve()) if options.recipe else None
    never_run = not (root / "dvc.lock").exists()  # else the flow finds out whether any stage needs it
    soon = shared_by_stages(TENSORFLOW) if never_run else nullcontext()
    with shared_by_stages(DVC), soon, embedded_server(root) as server:
        load_params(Path(recipe or root / "params.yaml"))  # a mistake in it need not wait for the server
        status: int = _flow("retrain").main(
            server,
            recipe=recipe,
            data_revision=options.data_revision,
            update=options.update,
            force_from=options.force_from,
            promote=not options.no_promote,
            jobs=options.jobs,
        )
    return status


def _schedule(options: argparse.Namespace) -> int:
    schedule = _flow("schedule").main
    schedule(Path.cwd(), options.prefect_port)
    return 0


def _reconcile(options: argparse.Namespace) -> int:
    from transferline.ui import embedded_server

    with embedded_server(environment.enter_project()) as server:
        status: int = _flow("reconcile").main(server)
    return status


def _use(options: argparse.Namespace) -> int:
    from transferline.lock import held
    from transferline.recipes import use

    recipe, root = options.recipe.resolve(), environment.enter_project()
    with held(root, "transferline use"):
        params = use(recipe, root, options.force)
    print(f"params.yaml is now {options.recipe}: {params.data.dataset}, candidates {', '.join(params.candidates)}")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from transferline.params import load_params

    params = load_params(environment.enter_project() / "params.yaml")
    with quiet_imports():
        from transferline.models.describe import describe_candidates as describe
    print(describe(params, options.candidate, options.classes, options.json))
    return 0


def _status(options: argparse.Namespace) -> int:
    gc.disable()  # as in `_flow`
    from transferline.status import status

    print(status(environment.enter_project()))
    return 0


def _ui(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.ui import serve

    root = environment.enter_project()
    serve(root, load_params(root / "params.yaml"), options.mlflow_port, options.prefect_port)
    return 0


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError("a file that ends in .png")
    return Path(text)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("transferline", description="Retrains image classifiers by transfer learning.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace], int], explanation: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=explanation, description=explanation)
        added.set_defaults(action=action)
        return added

    run = command("run", _run, "run the retrain flow in this process: the stages that changed, then promotion")
    run.add_argument("--recipe", type=Path, help="a complete params file that becomes params.yaml first")
    run.add_argument("--data-revision", metavar="GIT", help="train on the raw data of this Git revision")
    run.add_argument("--update", action="store_true", help="bring the present state of an import's source first")
    run.add_argument("--force-from", metavar="STAGE", help="run this stage and all after it even if nothing changed")
    run.add_argument("--jobs", type=_positive, default=1, help="stages of different candidates at the same time")
    run.add_argument("--no-promote", action="store_true", help="stop before promotion")
    schedule = command("schedule", _schedule, "run the flows of prefect.yaml when they are due, until Ctrl-C")
    schedule.add_argument("--prefect-port", type=int, default=4200, help="where PREFECT_API_URL names no server")
    command("reconcile", _reconcile, "put right what killed runs left behind: their state, children and locks")
    data = commands.add_parser("data", help="bring in a dataset of yours, or look at one").add_subparsers(required=True)
    add = data.add_parser(
        "add", help="copy a folder, or unpack an archive, into a dataset in data/raw and `dvc add` it"
    )
    add.set_defaults(action=data_commands.add)
    add.add_argument("source", help="a folder, or the path or URL of a zip or tar")
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="of the new dataset, as params.yaml names it")
    which.add_argument("--into", metavar="NAME", help="the dataset that it is added to")
    add.add_argument("--replace", action="store_true", help="with --into: take the place of files with the same path")
    add.add_argument("--sha256", help="that an archive must have")
    relabel = data.add_parser("relabel", help="correct the label of an image in data/corrections; its file stays")
    relabel.set_defaults(action=data_commands.relabel)
    exclude = data.add_parser("exclude", help="leave an image out, in data/corrections; its file stays")
    exclude.set_defaults(action=data_commands.exclude)
    for correction in (relabel, exclude):
        correction.add_argument("name", help="the dataset's folder in data/raw")
        correction.add_argument("path", help="of the image, in that folder or as seen from here")
        correction.add_argument(
            "--reason", required=True, metavar="TEXT", help="why, for those who read the file later"
        )
    relabel.add_argument("label", help="the right class; of several labels all, with | between them, | alone for none")
    relabel.add_argument("--never-test", action="store_true", help="keep it, and its group, out of the test split")
    show = data.add_parser("show", help="draw samples, counts, sizes and brightness of a dataset in data/raw")
    show.set_defaults(action=data_commands.show)
    show.add_argument("name", help="the dataset's folder in data/raw")
    show.add_argument("--samples", type=int, choices=range(1, 21), default=6, metavar="N", help="images of each class")
    show.add_argument("--out", type=_png, help="the PNG, instead of reports/data_NAME.png")
    diff = data.add_parser("diff", help="show what differs between two versions of a dataset")
    diff.set_defaults(action=data_commands.diff)
    diff.add_argument("name", help="the dataset's folder in data/raw")
    diff.add_argument("revisions", nargs="?", metavar="REV", help="a Git revision, or OLD..NEW, instead of HEAD")
    diff.add_argument("--out", type=_png, help="draw samples of what came, went and changed into this PNG")
    remove = data.add_parser("remove", help="take photographs out of a dataset, or remove the dataset")
    remove.set_defaults(action=data_commands.remove)
    remove.add_argument("name", help="the dataset's folder in data/raw")
    remove.add_argument(
        "paths", nargs="*", metavar="PATH", help="files and folders in it; the whole dataset if left out"
    )
    remove.add_argument("--yes", action="store_true", help="remove the dataset without asking")
    use = command("use", _use, "make a recipe the project's params.yaml")
    use.add_argument("recipe", type=Path)
    use.add_argument("--force", action="store_true", help="overwrite changes that are saved nowhere else")
    describe = command("describe", _describe, "show layers, parameters and freeze boundary of the candidates")
    describe.add_argument("candidate", nargs="?", help="all of them if left out")
    describe.add_argument("--classes", type=int, help="the number of classes, if there is no manifest yet")
    describe.add_argument("--json", action="store_true")
    command("status", _status, "what is up to date, what would run and why, who is champion")
    promote = command("promote", registry.promote, "make the selected model the champion if it passes every gate")
    promote.add_argument("--dry-run", action="store_true", help="show the decision, register and move nothing")
    promote.add_argument("--force", action="store_true", help="promote in spite of failed gates; needs --reason")
    promote.add_argument("--reason", help="for the ledger")
    promote.add_argument("--json", type=Path, metavar="FILE", help="write the decision to this file as well")
    smoke = command("smoke", registry.smoke, "load a registered version as a server would, and check its answers")
    smoke.add_argument("uri", help="MLflow's tracking URI")
    smoke.add_argument("model", help="the registered model's name")
    smoke.add_argument("reference", help="an alias, or a version's number")
    command("history", registry.history, "every move of the alias champion, and why")
    rollback = command("rollback", registry.rollback, "make an earlier champion the champion again")
    rollback.add_argument("--to", metavar="VERSION", help="if left out, the one that the present champion replaced")
    rollback.add_argument("--reason", required=True, help="for the ledger")
    reproduce = command("reproduce", registry.reproduce, "train a registered version again from scratch, and compare")
    reproduce.add_argument("version")
    predict = command("predict", prediction_commands.predict, "predict image files with the champion")
    predict.add_argument("paths", nargs="+", help="files, folders or globs")
    predict.add_argument(
        "--model",
        default="champion",
        help="an alias, a version's number, a model folder, or imagenet:BACKBONE for a first look at new photographs "
        "(imagenet:efficientnet_lite0 needs no download)",
    )
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--csv", type=Path, help="write everything to this file")
    predict.add_argument("--submission", type=Path, help="write Id and run-length encoded labels, as Kaggle takes them")
    predict.add_argument("--grid", type=_png, help="draw the images with their labels into this PNG")
    predict.add_argument("--masks", type=Path, metavar="DIR", help="write masks, and overlays, into this folder")
    predict.add_argument("--rle", type=Path, help="write masks run-length encoded, a row for each image and class")
    serve = command("serve", serving.serve, "answer requests over HTTP with the champion, on loopback, until Ctrl-C")
    serve.add_argument("--alias", default="champion", help="or a version's number")
    serve.add_argument("--port", type=int, default=8080)
    serve.add_argument("--max-body", type=float, default=32, metavar="MIB", help="a larger request gets a 413")
    ui = command("ui", _ui, "serve the pages of MLflow and Prefect, on loopback, until Ctrl-C")
    ui.add_argument("--mlflow-port", type=int, default=5000)
    ui.add_argument("--prefect-port", type=int, default=4200)
    stage = command("stage", _stage, "run one stage's work; DVC calls this")
    stage.add_argument("name", choices=STAGES)
    stage.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def main() -> None:
    """Entry point: exits with 1 and one message for a mistake of the user's, with 130 on Ctrl-C."""
    options = _parser().parse_args()
    try:
        sys.exit(options.action(options))
    except TransferlineError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
