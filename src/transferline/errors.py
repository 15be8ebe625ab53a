"""The exception whose message is for the user."""


class TransferlineError(Exception):
    """An error that the user can correct.

    The message names what is wrong, the value, what is allowed and what to do. The command line prints it
    without a traceback and exits with 1.
    """
