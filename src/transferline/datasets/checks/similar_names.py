"""Finds names of classes that look the same to a person."""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple


class Similar(NamedTuple):
    """Another name that looks the same, and how it differs: in blanks, case or Unicode form."""

    like: str
    difference: str


def similar_names(paths: Iterable[str]) -> dict[str, Similar]:
    """Returns the class folders or classes whose name looks like that of an earlier one but differs from it.

    Args:
        paths: names of classes, or paths of class folders, whose last part is the name.
    """
    first: dict[str, str] = {}
    found = {}
    for path in paths:
        name = path.rpartition("/")[2]
        other = first.setdefault(_looks(name), path)
        before = other.rpartition("/")[2]
        if before != name:
            found[path] = Similar(other, _difference(before, name))
    return found


def _looks(name: str) -> str:
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")  # such as a zero-width space
    return "".join(unicodedata.normalize("NFKC", visible).casefold().split())


def _difference(one: str, other: str) -> str:
    composed = [unicodedata.normalize("NFKC", name) for name in (one, other)]
    if composed[0] == composed[1]:
        return f"Unicode form ({one!a} and {other!a})"
    return "case" if composed[0].casefold() == composed[1].casefold() else "blanks"
