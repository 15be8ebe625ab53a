"""The command line: `transferline …`."""

import argparse
import io
import os
import sys

from transferline.cli import data, params, pipeline, prediction, registry, serving
from transferline.errors import TransferlineError


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    whole = argparse.ArgumentParser("transferline", description="Retrains image classifiers by transfer learning.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for group in (pipeline, params, data, registry, prediction, serving):
        group.add_commands(commands)
    return whole


def main() -> None:
    """Entry point. It exits with 1 and one message after a user's mistake, and with 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show never ends a command
    try:
        try:
            options = parser().parse_args()
            sys.exit(options.action(options))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # for example `transferline status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout again at exit
        sys.exit(141)  # 128 + SIGPIPE, as in shells
    except TransferlineError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
