"""The command that explains `params.yaml`."""

import argparse

from transferline import environment
from transferline.cli.arguments import Commands, add_command
from transferline.errors import TransferlineError


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    params = add_command(
        commands, "params", _params, "explain the keys of params.yaml, with their present values", "augment.rotation"
    )
    params.add_argument("key", nargs="?", help="such as augment or candidates.fine_tune.epochs; by default all")


def _params(options: argparse.Namespace) -> int:
    from transferline.params import load_params
    from transferline.params.explain import explain, keys_in_force, table

    file = environment.enter_project() / "params.yaml"
    if options.key is None:
        print(table(keys_in_force(load_params(file))))
        return 0
    try:
        in_force = load_params(file)
    except TransferlineError:  # the command must also explain keys of a faulty file
        in_force = None
    print(explain(options.key, in_force))
    return 0
