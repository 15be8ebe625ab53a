"""The commands that run or describe the pipeline: run, schedule, reconcile, use, describe, status, ui, stage."""

import argparse
import importlib
import inspect
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from transferline import environment
from transferline.cli.arguments import Commands, add_command, port, positive
from transferline.errors import TransferlineError
from transferline.quiet import quiet_imports

STAGES = (
    "code",
    "fetch",
    "validate",
    "augment",
    "extract",
    "train_head",
    "fine_tune",
    "train",
    "evaluate",
    "insight",
    "record",
    "select",
)


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    run = add_command(commands, "run", _run, "run the stages that changed, then promotion, in this process", "--jobs 2")
    run.add_argument("--recipe", help="first write params.yaml from this recipe; see `transferline use`")
    run.add_argument("--data-revision", metavar="GIT", help="train on the raw data of this Git revision")
    run.add_argument("--update", action="store_true", help="first update an imported dataset from its source")
    run.add_argument("--force-from", metavar="STAGE", help="run this stage and all later ones even if nothing changed")
    run.add_argument(
        "--jobs", type=positive, default=1, help="how many stages of different candidates run at once; 1 by default"
    )
    run.add_argument("--no-promote", action="store_true", help="stop before promotion")
    _add_schedule(commands)
    add_command(commands, "reconcile", _reconcile, "clean up after killed runs: states, child processes and locks")
    use = add_command(commands, "use", _use, "write the complete params.yaml from a recipe", "photos")
    use.add_argument("recipe", help="a file, or the name of a recipe that comes with transferline, such as digits")
    use.add_argument("--force", action="store_true", help="overwrite changes that neither Git nor a recipe holds")
    explained = "show layers, parameters and freeze boundary of candidates, and the backbones on this machine"
    describe = add_command(commands, "describe", _describe, explained, "lite0_plain")
    describe.add_argument("candidate", nargs="?", help="by default all")
    describe.add_argument("--classes", type=positive, help="the number of classes, if the data is not here yet")
    describe.add_argument("--json", action="store_true", help="print everything as JSON")
    add_command(commands, "status", _status, "show which stages are up to date or would run and why, and the champion")
    ui = add_command(commands, "ui", _ui, "serve the pages of MLflow and Prefect, on 127.0.0.1, until Ctrl-C")
    ui.add_argument("--mlflow-port", type=port, help="5000 if it is free")
    ui.add_argument("--prefect-port", type=port, help="4200 if it is free")
    stage = add_command(commands, "stage", _stage, "run one stage; DVC calls this", "code")
    stage.add_argument("name", choices=STAGES)
    stage.add_argument("arguments", nargs=argparse.REMAINDER)


def _add_schedule(commands: Commands) -> None:
    schedule = add_command(
        commands, "schedule", _schedule, "run the flows of prefect.yaml when they are due", "--at 3:00 --watch 5m"
    )
    schedule.add_argument("--prefect-port", type=port, help="of Prefect's page; 4200 if it is free")
    here = add_command(
        commands, "schedule-here", _schedule_here, "for `schedule`, which calls it and ends it by SIGINT"
    )
    for parser in (schedule, here):
        when = parser.add_mutually_exclusive_group()
        when.add_argument(
            "--at",
            metavar="TIME",
            help="retrain at this time of this machine, every day or weekly: 3:00, or 'mon 3:00'",
        )
        when.add_argument("--every", metavar="TIME", help="retrain at this interval: 30m, 6h or 1d")
        parser.add_argument("--watch", metavar="TIME", help="look for new photographs at this interval: 5m or 1h")
    here.add_argument("--prefect-port", type=port, required=True)


def run_stage_here(name: str, arguments: list[str]) -> None:
    """Calls `run` of `stages/<name>.py` with the params, and with the options of the command line as keywords.

    In an option, @dataset means the dataset of the params, and @key the candidate or dataset in the name of the DVC
    stage. Names are checked before they are inserted: they contain only letters, digits, - and _.
    """
    from transferline.params import load_params
    from transferline.problems.metric_choice import check_metrics

    params = load_params(Path("params.yaml"))
    names = {"@dataset": params.data.dataset, "@key": _key()}
    environment.prepare(Path.cwd())
    with quiet_imports():
        run = importlib.import_module(f"transferline.stages.{name}").run
    parser = argparse.ArgumentParser(f"transferline stage {name}", description=inspect.getdoc(run))
    for keyword, parameter in list(inspect.signature(run).parameters.items())[1:]:
        parser.add_argument(f"--{keyword}", type=parameter.annotation, required=True)
    check_metrics(params)
    for placeholder, value in names.items():
        arguments = [argument.replace(placeholder, value) for argument in arguments]
    run(params, **vars(parser.parse_args(arguments)))


def _key() -> str:
    """Returns the text after @ in the name of the DVC stage that calls this process; empty if there is none.

    Raises:
        TransferlineError: it is not the name of a candidate or dataset.
    """
    from transferline.params.section import NAME

    stage, at, key = os.environ.get("DVC_STAGE", "").rpartition("@")
    if at and not re.fullmatch(NAME, key):
        raise TransferlineError(f"stage {stage} has the key {key!r}; a name has only letters, digits, - and _")
    return key if at else ""


def _stage(options: argparse.Namespace) -> int:
    from transferline.training_lock import held
    from transferline.unchanged_params import unchanged_params

    here = Path.cwd()
    with held(here, f"transferline stage {options.name}"), unchanged_params(here, os.environ.get("DVC_STAGE", "")):
        run_stage_here(options.name, options.arguments)
    return 0


def _flow(name: str) -> Any:
    """Changes to the project's folder and imports the module of a flow."""
    environment.enter_project()
    return importlib.import_module(f"transferline.flows.{name}")


def _run(options: argparse.Namespace) -> int:
    from transferline.use_recipe import find_recipe

    recipe = str(find_recipe(options.recipe)) if options.recipe else None
    run = _flow("run").main
    status: int = run(
        Path.cwd(),
        recipe,
        options.data_revision,
        options.update,
        options.force_from,
        not options.no_promote,
        options.jobs,
    )
    return status


def _schedule(options: argparse.Namespace) -> int:
    from transferline.ends_with_parent import started
    from transferline.server_process import PREFECT_PORT, reserved_port, sigterm_as_exit

    environment.enter_project()
    with sigterm_as_exit(0), suppress(KeyboardInterrupt), reserved_port(options.prefect_port, PREFECT_PORT) as free:
        command = [sys.executable, "-m", "transferline", "schedule-here", "--prefect-port", str(free)]
        for name in ("at", "every", "watch"):
            command += [f"--{name}", getattr(options, name)] if getattr(options, name) else []
        with started(command) as process:
            return process.wait()
    return 0


def _schedule_here(options: argparse.Namespace) -> int:
    schedule, times = _flow("schedule"), _flow("times")
    changed = {"retrain": times.at(options.at)} if options.at else {}
    changed |= {"retrain": times.every(options.every)} if options.every else {}
    changed |= {"watch": times.every(options.watch, "--watch")} if options.watch else {}
    schedule.main(Path.cwd(), options.prefect_port, changed)
    return 0


def _reconcile(options: argparse.Namespace) -> int:
    from transferline.prefect_server import embedded_server

    with embedded_server(environment.enter_project()) as server:
        status: int = _flow("reconcile").main(server)
    return status


def _use(options: argparse.Namespace) -> int:
    from transferline.training_lock import held
    from transferline.use_recipe import find_recipe, use

    recipe, root = find_recipe(options.recipe), environment.enter_project()
    with held(root, "transferline use"):
        params = use(recipe, root, options.force)
    print(f"params.yaml is now {options.recipe}: {params.data.dataset}, candidates {', '.join(params.candidates)}")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from transferline.params import load_params

    params = load_params(environment.enter_project() / "params.yaml")
    with quiet_imports():
        from transferline.models.backbone_sizes import backbone_table
        from transferline.models.candidate_description import describe_candidates as describe
    print(describe(params, options.candidate, options.classes, options.json))
    if not options.json:
        print(f"\n{backbone_table()}")
    return 0


def _status(options: argparse.Namespace) -> int:
    from transferline.cli.status import status

    print(status(environment.enter_project()))
    return 0


def _ui(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.registry.tracking import prepare_database
    from transferline.server_process import MLFLOW_PORT, PREFECT_PORT, reserved_port
    from transferline.ui import serve_pages

    root = environment.enter_project()
    params = load_params(root / "params.yaml")
    prepare_database(params.record, root)
    mlflow, prefect = (options.mlflow_port, MLFLOW_PORT), (options.prefect_port, PREFECT_PORT)
    with reserved_port(*mlflow) as mlflow_port, reserved_port(*prefect) as prefect_port:
        serve_pages(root, params, mlflow_port, prefect_port)
    return 0
