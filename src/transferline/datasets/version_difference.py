"""Describes the difference between two versions of a dataset."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from transferline.datasets.tables import natural, split_labels
from transferline.datasets.version_contents import VersionContents
from transferline.datasets.versions import Files
from transferline.text import first_of

SHOWN = 12  # a message lists at most this many classes or changes of a label
NO_LABEL = "without a label"


@dataclass(frozen=True)
class MovedImage:
    """An image with the same content but another path or label: its path and label before and after."""

    old: str
    new: str
    label_before: str | None
    label_after: str | None

    @property
    def changes_label(self) -> bool:
        """Whether the label differs."""
        return self.label_before != self.label_after


@dataclass(frozen=True)
class Difference:
    """The difference between the versions `before` and `after`. The tuples contain only images.

    Attributes:
        before: the older version.
        after: the newer version.
        added: images that only the newer version has.
        removed: images that only the older version has.
        replaced: paths whose content differs.
        moved: images with the same content and another path or label.
    """

    before: VersionContents
    after: VersionContents
    added: tuple[str, ...]
    removed: tuple[str, ...]
    replaced: tuple[str, ...]
    moved: tuple[MovedImage, ...]

    @property
    def relabelled(self) -> tuple[MovedImage, ...]:
        """Images with the same content and another label."""
        return tuple(move for move in self.moved if move.changes_label)

    def __bool__(self) -> bool:
        """Returns whether any file differs, including files that are not images."""
        return self.before.files != self.after.files

    def __str__(self) -> str:
        """Returns the difference in one line, such as `+70 images: metal +30, plastic +40 (new class); 2 replaced`."""
        before, after = _classes(self.before), _classes(self.after)
        came = _by_class(self.after, self.added, "+", dict.fromkeys(after.keys() - before.keys(), "new class"))
        went = _by_class(self.before, self.removed, "-", dict.fromkeys(before.keys() - after.keys(), "class gone"))
        parts = [came, went, f"{len(self.replaced)} replaced" if self.replaced else "", *self._moves()]
        named = {name for group in (self.added, self.removed) for path in group for name in self._names(path)}
        parts += [f"new class {name}" for name in _sorted(after.keys() - before.keys() - named)]
        parts += [f"class {name} gone" for name in _sorted(before.keys() - after.keys() - named)]
        parts += [_others(self.before.others, self.after.others)]
        parts += [f"labels unknown: {fault}" for fault in dict.fromkeys((self.before.fault, self.after.fault)) if fault]
        return "; ".join(filter(None, parts)) or "no difference"

    def in_short(self) -> str:
        """Returns the difference without class names, such as `+70 images of 2 classes, 2 replaced`; "" if none."""
        counts = {"replaced": len(self.replaced), "relabelled": len(self.relabelled)}
        counts["renamed"] = len(self.moved) - len(self.relabelled)
        parts = [_of_classes(self.after, self.added, "+"), _of_classes(self.before, self.removed, "-")]
        return ", ".join(filter(None, [*parts, *(f"{count} {word}" for word, count in counts.items() if count)]))

    def _names(self, path: str) -> list[str]:
        return _names(self.before, path) + _names(self.after, path)

    def _moves(self) -> list[str]:
        changes = Counter((move.label_before, move.label_after) for move in self.relabelled)
        shown = [f"{said(old)} to {said(new)} {count}" for (old, new), count in changes.most_common()]
        renamed = len(self.moved) - len(self.relabelled)
        return [
            f"{changes.total()} changed the label: {first_of(shown, SHOWN)}" if changes else "",
            f"{renamed} renamed" if renamed else "",
        ]


def compare_versions(before: VersionContents, after: VersionContents) -> Difference:
    """Returns the difference between two versions. Both must have been read with the same layout."""
    old, new = before.labels, after.labels
    gone = [path for path in old if path not in after.files]
    fresh = [path for path in new if path not in before.files]
    moves = _moves(before, after, gone, fresh)
    both = [path for path in old if path in new]
    same = [path for path in both if before.files[path] == after.files[path]]
    relabelled = [MovedImage(path, path, old[path], new[path]) for path in same if old[path] != new[path]]
    moved_from, moved_to = {move.old for move in moves}, {move.new for move in moves}
    return Difference(
        before,
        after,
        added=_in_order(set(fresh) - moved_to),
        removed=_in_order(set(gone) - moved_from),
        replaced=_in_order(path for path in both if before.files[path] != after.files[path]),
        moved=tuple(sorted([*moves, *relabelled], key=lambda move: natural(move.new))),
    )


def _moves(before: VersionContents, after: VersionContents, gone: list[str], fresh: list[str]) -> list[MovedImage]:
    """Pairs each new path with a removed path of the same content. It prefers one with the same label."""
    sources = defaultdict[str, list[str]](list)
    for path in gone:
        sources[before.files[path]].append(path)
    moves = []
    for path in fresh:
        if candidates := sources[after.files[path]]:
            label = after.labels[path]
            old = next((each for each in candidates if before.labels[each] == label), candidates[0])
            candidates.remove(old)
            moves.append(MovedImage(old, path, before.labels[old], label))
    return moves


def _in_order(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths, key=natural))


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=natural)


def _names(contents: VersionContents, path: str) -> list[str]:
    """Returns the classes of an image; none if it has no label."""
    label = contents.labels.get(path)
    if label is None:
        return []
    return split_labels(label) if contents.several else [label]


def images_by_class(contents: VersionContents, paths: Iterable[str]) -> dict[str, int]:
    """Counts images by class, in natural order. An image counts for each of its classes."""
    counts = Counter(name for path in paths for name in _names(contents, path))
    return {name: counts[name] for name in _sorted(counts)}


def _classes(contents: VersionContents) -> dict[str, int]:
    return images_by_class(contents, contents.labels)


def _of_classes(contents: VersionContents, paths: tuple[str, ...], sign: str) -> str:
    """Returns a text such as `+70 images of 2 classes`. It leaves out the classes if no image has a label."""
    if not paths:
        return ""
    classes = len(images_by_class(contents, paths))
    of = f" of {classes} class{'es' * (classes > 1)}" if classes else ""
    return f"{sign}{len(paths):,} image{'s' * (len(paths) > 1)}{of}"


def _by_class(contents: VersionContents, paths: tuple[str, ...], sign: str, notes: Mapping[str, str]) -> str:
    """Returns a text such as `+70 images: metal +30, plastic +40 (new class)`; with masks, only the total."""
    if not paths:
        return ""
    total = f"{sign}{len(paths):,} image{'s' * (len(paths) > 1)}"
    counts = images_by_class(contents, paths)
    shown = [f"{name} {sign}{count:,}{f' ({notes[name]})' if name in notes else ''}" for name, count in counts.items()]
    unlabelled = 0 if contents.fault else sum(contents.labels.get(path) is None for path in paths)
    if unlabelled:
        shown.append(f"{NO_LABEL} {sign}{unlabelled:,}")
    return f"{total}: {first_of(shown, SHOWN)}" if shown else total


def _others(before: Files, after: Files) -> str:
    """Returns a text such as `other files: 2 added, 1 replaced`."""
    counts = {
        "added": len(after.keys() - before.keys()),
        "removed": len(before.keys() - after.keys()),
        "replaced": sum(before[path] != after[path] for path in before.keys() & after.keys()),
    }
    shown = [f"{count:,} {word}" for word, count in counts.items() if count]
    return f"other files: {', '.join(shown)}" if shown else ""


def said(label: str | None) -> str:
    """Returns a label as messages show it. Several labels of an image are separated by "|"."""
    return NO_LABEL if label is None else label or "no class"
