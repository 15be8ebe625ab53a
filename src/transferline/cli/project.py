"""The commands that make a project, and that keep it up to date: init, upgrade."""

import argparse
from pathlib import Path

from transferline import environment
from transferline.cli.arguments import Commands, add_command


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    init = add_command(commands, "init", _init, "make a project in a new folder", "waste --data photos.zip")
    init.add_argument("folder", type=Path, help="the new folder; its name becomes the project's name")
    init.add_argument("--recipe", help="as for `transferline use`; by default one that fits the photographs")
    init.add_argument("--data", metavar="SOURCE", help="photographs to add: a folder, zip or tar")
    add_command(commands, "upgrade", _upgrade, "bring the project's files to the installed version of transferline")
    add_command(commands, "doctor", _doctor, "check the installation and the project, with what to do")


def _init(options: argparse.Namespace) -> int:
    from transferline.new_project import init

    print(init(options.folder, options.recipe, options.data), flush=True)
    from transferline.models.backbone_sizes import backbone_table  # the table can take minutes: it measures backbones

    print(f"\n{backbone_table()}")
    return 0


def _upgrade(options: argparse.Namespace) -> int:
    from transferline.training_lock import held
    from transferline.upgrade import upgrade

    root = environment.enter_project()
    with held(root, "transferline upgrade"):
        upgraded = upgrade(root)
    print(upgraded.text)
    return int(bool(upgraded.conflicts))


def _doctor(options: argparse.Namespace) -> int:
    from transferline.doctor import checks

    found = checks(environment.enter_project())
    for check in found:
        print(f"{'ok  ' if check.is_fine else 'look'}  {check.name}: {check.words}")
    return int(not all(check.is_fine for check in found))
