"""The command that searches the settings of a candidate: tune."""

import argparse
import importlib

from transferline import environment
from transferline.cli.arguments import Commands, add_command, positive, positive_number
from transferline.quiet import quiet_imports

MINUTES = 15.0


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    explained = "search backbone, image size, depth, learning rate, augmentation and regularisation on validation"
    tune = add_command(commands, "tune", _tune, explained, "--minutes 30")
    limit = tune.add_mutually_exclusive_group()
    limit.add_argument(
        "--minutes", type=positive_number, help=f"end the search after this time; by default {MINUTES:g}"
    )
    limit.add_argument("--trials", type=positive, help="end the search after this number of fine-tunings")


def _tune(options: argparse.Namespace) -> int:
    from transferline.progress import say
    from transferline.repairs import repair_files
    from transferline.training_lock import held

    root = environment.enter_project()
    minutes = options.minutes or (None if options.trials else MINUTES)
    with held(root, "transferline tune"):
        for repair in repair_files(root):
            say(repair)
        preparation = importlib.import_module("transferline.flows.preparation")
        params = preparation.prepare(root, recipe=None, data_revision=None, update=False)
        with quiet_imports():
            from transferline.tuning.tune_candidate import tune
        try:
            print(tune(root, params, minutes, options.trials))
        except KeyboardInterrupt:
            print("stopped; what was computed is kept, and the same command goes on from there")
            return 130
    return 0
