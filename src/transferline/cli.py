"""The command line: `transferline …`."""

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from transferline import environment
from transferline.errors import TransferlineError
from transferline.quiet import import_quietly

STAGES = ("fetch", "validate", "augment", "extract", "train_head", "fine_tune", "evaluate", "record", "select")


def run_stage(name: str, arguments: list[str]) -> None:
    """Runs `stages/<name>.py`: its `run` takes the params and, as keywords, the paths and names on the command line."""
    from transferline.params import load_params

    environment.prepare(Path.cwd())
    run = import_quietly(f"transferline.stages.{name}").run
    parser = argparse.ArgumentParser(f"transferline stage {name}", description=inspect.getdoc(run))
    for keyword, parameter in list(inspect.signature(run).parameters.items())[1:]:
        parser.add_argument(f"--{keyword}", type=parameter.annotation, required=True)
    run(load_params(Path("params.yaml")), **vars(parser.parse_args(arguments)))


def _stage(options: argparse.Namespace) -> int:
    run_stage(options.name, options.arguments)
    return 0


def _run(options: argparse.Namespace) -> int:
    root = environment.enter_project()
    sys.path.insert(0, str(root))
    main: int = importlib.import_module("flows.retrain").main(promote=not options.no_promote)
    return main


def _data_add(options: argparse.Namespace) -> int:
    from transferline.data.add import add
    from transferline.data.survey import describe

    source = options.source if "://" in options.source else str(Path(options.source).resolve())
    found = add(source, options.name, environment.enter_project(), options.sha256)
    print(describe(options.name, found))
    return 0


def _use(options: argparse.Namespace) -> int:
    from transferline.recipes import use

    recipe = options.recipe.resolve()
    params = use(recipe, environment.enter_project(), options.force)
    print(f"params.yaml is now {options.recipe}: {params.data.dataset}, candidates {', '.join(params.candidates)}")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from transferline.params import load_params

    params = load_params(environment.enter_project() / "params.yaml")
    describe = import_quietly("transferline.models.describe").describe_candidates
    print(describe(params, options.candidate, options.classes, options.json))
    return 0


def _status(options: argparse.Namespace) -> int:
    from transferline.status import status

    print(status(environment.enter_project()))
    return 0


def _promote(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.registry.promotion import promote

    root = environment.enter_project()
    decision = promote(load_params(root / "params.yaml"), root)
    print(f"version {decision.version}: {'promoted' if decision.promoted else 'not promoted'}, {decision.reason}")
    return 0


def _predict(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.predict import as_text, find_images, predict, write_csv
    from transferline.registry.models import named_model
    from transferline.registry.tracking import connect

    paths = [path.resolve() for path in find_images(options.paths)]
    folder = Path(options.model).resolve()
    if not folder.is_dir():
        root = environment.enter_project()
        params = load_params(root / "params.yaml")
        folder = named_model(connect(params.record, root), params, root, options.model)
    found = list(predict(folder, paths))
    if options.csv:
        write_csv(found, options.csv)
    if options.json:
        print(json.dumps([asdict(prediction) for prediction in found], indent=2))
    elif not options.csv:
        print(as_text(found))
    errors = [prediction.error for prediction in found if prediction.error]
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return 1 if errors else 0


def _ui(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.ui import serve

    root = environment.enter_project()
    serve(root, load_params(root / "params.yaml"), options.mlflow_port, options.prefect_port)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("transferline", description="Retrains image classifiers by transfer learning.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace], int], explanation: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=explanation, description=explanation)
        added.set_defaults(action=action)
        return added

    run = command("run", _run, "run the retrain flow in this process: the stages that changed, then promotion")
    run.add_argument("--no-promote", action="store_true", help="stop before promotion")
    data = commands.add_parser("data", help="bring a dataset of yours under version control").add_subparsers(
        required=True
    )
    add = data.add_parser("add", help="copy a folder, or unpack an archive, into data/raw and `dvc add` it")
    add.set_defaults(action=_data_add)
    add.add_argument("source", help="a folder, or the path or URL of a zip or tar")
    add.add_argument("--name", required=True, help="the dataset's name in params.yaml")
    add.add_argument("--sha256", help="that an archive must have")
    use = command("use", _use, "make a recipe the project's params.yaml")
    use.add_argument("recipe", type=Path)
    use.add_argument("--force", action="store_true", help="overwrite changes that are saved nowhere else")
    describe = command("describe", _describe, "show layers, parameters and freeze boundary of the candidates")
    describe.add_argument("candidate", nargs="?", help="all of them if left out")
    describe.add_argument("--classes", type=int, help="the number of classes, if there is no manifest yet")
    describe.add_argument("--json", action="store_true")
    command("status", _status, "what is up to date, what would run and why, who is champion")
    command("promote", _promote, "register the selected model and make it the champion if it is better")
    predict = command("predict", _predict, "predict image files with the champion")
    predict.add_argument("paths", nargs="+", help="files, folders or globs")
    predict.add_argument("--model", default="champion", help="an alias, a version's number or a model folder")
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--csv", type=Path, help="write everything to this file")
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
