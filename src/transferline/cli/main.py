"""The command line: `transferline …`."""

import argparse
import os
import sys

from transferline.cli import data, params, pipeline, prediction, registry, serving
from transferline.errors import TransferlineError


def parser() -> argparse.ArgumentParser:
    """What reads the command line."""
    whole = argparse.ArgumentParser("transferline", description="Retrains image classifiers by transfer learning.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for group in (pipeline, params, data, registry, prediction, serving):
        group.add_commands(commands)
    return whole


def main() -> None:
    """Entry point: exits with 1 and one message for a mistake of the user's, with 130 on Ctrl-C."""
    options = parser().parse_args()
    try:
        status = options.action(options)
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:  # as with `transferline status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at the end
        sys.exit(141)  # 128 + SIGPIPE, as shells report it
    except TransferlineError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
