"""The command line: `transferline …`."""

import argparse
import io
import os
import sys

import shtab

from transferline.cli import data, params, pipeline, prediction, project, registry, serving, tuning
from transferline.errors import TransferlineError, cause_first, system_cause
from transferline.project_files import installed_version


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    whole = argparse.ArgumentParser("transferline", description="Retrains image models by transfer learning.")
    whole.add_argument("--version", action="version", version=f"transferline {installed_version()}")
    shtab.add_argument_to(whole, "--print-completion", help="print a script for completion in this shell")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    whole.set_defaults(commands=commands)
    for group in (project, pipeline, tuning, params, data, registry, prediction, serving):
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
        sys.exit(f"error: {cause_first(str(error))}")
    except Exception as error:
        if cause := system_cause(str(error)):
            sys.exit(f"error: {cause}")
        raise
    except KeyboardInterrupt:
        sys.exit(130)
