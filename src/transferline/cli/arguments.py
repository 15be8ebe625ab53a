"""Functions for all groups of commands: add a command, and check values of arguments."""

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Action = Callable[[argparse.Namespace], int]
Commands = Any  # what argparse's `add_subparsers` returns
INTERNAL = ("schedule-here", "smoke", "stage")  # other commands and DVC call these; the help does not list them


def add_command(
    commands: Commands, name: str, action: Action, explanation: str, example: str = ""
) -> argparse.ArgumentParser:
    """Adds a command that calls `action`; returns its parser, to which arguments can be added.

    Args:
        commands: the commands to which this one is added.
        name: the name that users type.
        action: takes the options and returns the exit status.
        explanation: what the command does.
        example: the arguments of a typical call. It can be empty if there are none.
    """
    listed = {} if name in INTERNAL else {"help": explanation}
    added: argparse.ArgumentParser = commands.add_parser(name, description=explanation, **listed)
    added.epilog = f"example: {added.prog} {example}".rstrip()
    added.set_defaults(action=action)
    return added


def png(text: str) -> Path:
    """Returns a path that ends in .png."""
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .png")
    return Path(text)


def html(text: str) -> Path:
    """Returns a path that ends in .html."""
    if not text.lower().endswith(".html"):
        raise argparse.ArgumentTypeError(f"{text} does not end in .html")
    return Path(text)


def dataset(text: str) -> str:
    """Returns the name of a dataset, without the slash that the shell adds to that of a folder."""
    from transferline.params import NAME  # pydantic takes a while to import

    name = text.removesuffix("/")
    if not re.fullmatch(NAME, name):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a dataset; `ls data/raw` lists the datasets")
    return name


def utf8_text(text: str) -> str:
    """Returns the text. Python reads bytes that are not UTF-8 as lone surrogates, which no file in UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not text in UTF-8; write it in UTF-8") from None
    return text


def port(text: str) -> int:
    """Returns a TCP port; 0 takes a free one."""
    if not 0 <= (number := int(text)) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")
    return number


def positive_number(text: str) -> float:
    """Returns a finite number above 0."""
    if not 0 < (number := float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def positive(text: str) -> int:
    """Returns an integer of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
