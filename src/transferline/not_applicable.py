"""The reason why a question has no answer for a candidate, or a section of the page has no content."""


class NotApplicableError(Exception):
    """A question or a section of the page that has no answer here. Its text is the reason, for people."""
