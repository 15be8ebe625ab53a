"""What the groups of commands share: how one is added, and values that are checked."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

Action = Callable[[argparse.Namespace], int]
Commands = Any  # what argparse's `add_subparsers` returns


def add_command(commands: Commands, name: str, action: Action, explanation: str) -> argparse.ArgumentParser:
    """Adds a command that `action` does; returns its parser, for arguments."""
    added: argparse.ArgumentParser = commands.add_parser(name, help=explanation, description=explanation)
    added.set_defaults(action=action)
    return added


def png(text: str) -> Path:
    """A file that ends in .png."""
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError("a file that ends in .png")
    return Path(text)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
