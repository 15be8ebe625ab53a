"""The command line: `transferline …`."""

import argparse
import importlib
import inspect
import sys
from pathlib import Path

from transferline import environment
from transferline.errors import TransferlineError
from transferline.params import load_params

STAGES = ("fetch", "validate", "augment", "extract", "train_head", "fine_tune", "evaluate", "select", "record")


def run_stage(name: str, arguments: list[str]) -> None:
    """Runs `stages/<name>.py`: its `run` takes the params and, as keywords, the paths and names on the command line."""
    run = importlib.import_module(f"transferline.stages.{name}").run
    parser = argparse.ArgumentParser(f"transferline stage {name}", description=inspect.getdoc(run))
    for keyword, parameter in list(inspect.signature(run).parameters.items())[1:]:
        parser.add_argument(f"--{keyword}", type=parameter.annotation, required=True)
    run(load_params(Path("params.yaml")), **vars(parser.parse_args(arguments)))


def main() -> None:
    """Entry point."""
    environment.prepare(Path.cwd())
    try:
        if sys.argv[1:2] == ["stage"]:
            run_stage(sys.argv[2], sys.argv[3:])
    except TransferlineError as error:
        sys.exit(f"error: {error}")
