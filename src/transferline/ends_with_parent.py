"""`python -m transferline.ends_with_parent COMMAND …`: runs a command, and ends it when the parent process ends.

The standard input of this program is a pipe, and the parent holds its other end (`stdin=subprocess.PIPE`). The pipe
closes when the parent closes it, ends or is killed. Then this program sends SIGINT to the process group of the command.
DVC and servers shut down cleanly on SIGINT. When the command has ended, or after `SECONDS_TO_END`, this program sends
SIGKILL to the processes that remain. If it receives SIGINT, SIGTERM or SIGHUP, it does the same.

The exit status is that of the command, or 128 + N if signal N ended it.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

SECONDS_TO_END = 30.0
ASKED_TO_END = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def command_line(command: list[str]) -> list[str]:
    """Returns a command line that runs `command` and ends it when this process ends.

    This process must start it with `stdin=subprocess.PIPE`.
    """
    return [sys.executable, "-m", "transferline.ends_with_parent", *command]


@contextlib.contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Runs a command during the block, then ends it and waits for its end. Ctrl-C in the terminal does not reach it.

    Args:
        command: the program and its arguments.
        options: keyword arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(command_line(command), stdin=subprocess.PIPE, start_new_session=True, **options)
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def run(command: list[str]) -> int:
    """Runs a command in its own process group until it ends, standard input closes or a signal arrives.

    Returns:
        The exit status of the command, or 128 + N if signal N ended it.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)  # each signal writes its number into the pipe
    for sign in (*ASKED_TO_END, signal.SIGCHLD):
        signal.signal(sign, lambda *_: None)  # not SIG_IGN: the command would inherit it
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None:
        ready, _, _ = select.select([0, reader], [], [])
        if (0 in ready and not os.read(0, 1024)) or (reader in ready and ASKED_TO_END & set(os.read(reader, 1024))):
            _send(process, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_END)
            break
    _send(process, signal.SIGKILL)
    status = process.wait()
    return status if status >= 0 else 128 - status


def _send(process: subprocess.Popen[bytes], sign: int) -> None:
    """Sends a signal to the processes of the group that remain. macOS raises PermissionError if none remains."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sign)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
