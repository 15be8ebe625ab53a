"""The one exception that reaches a user."""


class TransferlineError(Exception):
    """A mistake that the user can mend.

    The message says what is wrong, the value, what is allowed and what to do; the command line prints it
    without a traceback and exits with 1.
    """
