"""The reason why a question has no answer for a candidate."""


class NotApplicableError(Exception):
    """A question that cannot be answered for this candidate or dataset. Its text is the reason, for people."""
