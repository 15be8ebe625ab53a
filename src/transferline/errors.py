"""The exception whose message is for the user, and the causes of errors that lie in the system."""

import re

SPACE = "free some space, then run this again"
WRITABLE = "this user must be able to write there"
LIMIT = "raise that limit, then run this again"
# messages of the system and of SQLite, and what to do
SYSTEM_CAUSES = {
    "No space left on device": SPACE,
    "database or disk is full": SPACE,
    "Disk quota exceeded": SPACE,
    "File too large": LIMIT,
    "Too many open files": LIMIT,
    "Cannot allocate memory": "end other programs, or use a smaller batch_size",
    "Read-only file system": WRITABLE,
    "attempt to write a readonly database": WRITABLE,
    "unable to open database file": WRITABLE,
    "Permission denied": "give this user access",
}
# with the file that Python and Git name after it
CAUSE = re.compile(f"({'|'.join(SYSTEM_CAUSES)})(: '[^']+')?")


class TransferlineError(Exception):
    """An error that the user can correct.

    The message names what is wrong, the value, what is allowed and what to do. The command line prints it
    without a traceback and exits with 1.
    """


def system_cause(text: str) -> str | None:
    """Returns the first cause in a message, traceback or log that lies in the system, such as a full disk.

    Returns:
        The cause, its file if the text names it, and what to do; None if the text names no such cause.
    """
    found = CAUSE.search(text)
    return f"{found[0][0].lower()}{found[0][1:]}; {SYSTEM_CAUSES[found[1]]}" if found else None


def cause_first(message: str) -> str:
    """Returns a message whose first line names the cause that lies in the system, if the message names one at all."""
    cause = system_cause(message)
    return message if cause is None or system_cause(message.splitlines()[0]) else f"{cause}\n  {message}"
