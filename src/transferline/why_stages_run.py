"""Why DVC would run a stage, in words."""

from dataclasses import dataclass, field
from typing import Any

from dvc.utils.flatten import flatten

from transferline.paths import CODE

NEVER_RUN, MOST_CHANGES = "never run", 6
DEPENDENCY_WORDS = {"new": "is new", "modified": "changed", "deleted": "is missing"}
OUTPUT_WORDS = {
    "new": "is not recorded",
    "modified": "differs from what the stage wrote",
    "deleted": "is missing",
    "not in cache": "is not in the cache",
}


@dataclass(frozen=True)
class Why:
    """Why a stage would run.

    Attributes:
        reasons: in words; empty if the stage is up to date.
        params: the keys of `params.yaml` that changed since its last run.
        code: what changed in its code and libraries, in words.
    """

    reasons: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


def why_it_runs(stage: Any) -> Why:
    """Returns why DVC would run `stage` now. It ignores changes that earlier stages of the same run will make.

    Args:
        stage: a stage object of DVC, with its entry of `dvc.lock`.
    """
    if not any(item.hash_info for item in (*stage.deps, *stage.outs)):
        return Why([NEVER_RUN])
    why = Why()
    for entry in stage.status().get(stage.addressing, []):
        if entry == "always changed":
            why.reasons.append("runs every time")
        elif entry == "changed command":
            why.reasons.append("its command changed")
        elif "changed outs" in entry:
            why.reasons.extend(f"{path} {OUTPUT_WORDS[word]}" for path, word in entry["changed outs"].items())
        else:
            files = entry["changed deps"].items()
            why.reasons.extend(f"{path} {DEPENDENCY_WORDS[word]}" for path, word in files if isinstance(word, str))
            for dependency in stage.params:
                _add_changed_values(why, dependency)
    return why


def _add_changed_values(why: Why, dependency: Any) -> None:
    """Adds the values of a params file that differ from those of the stage's last run, each as `key: old -> new`.

    It lists only the first `MOST_CHANGES` values, because a command such as `transferline use` changes many. It
    describes changes of `code.json` in words.
    """
    old, new = flatten(dependency.hash_info.value or {}), flatten(dependency.read_params())
    changed = {key: (old.get(key, "absent"), new.get(key, "absent")) for key in sorted({*old, *new})}
    changed = {key: (before, after) for key, (before, after) in changed.items() if before != after}
    if dependency.def_path == CODE.name:
        words = [_code_change(key.rpartition(".")[2], *values) for key, values in changed.items()]
        why.code.extend(words)
        why.reasons.extend(words)
        return
    words = [f"{key}: {before} -> {after}" for key, (before, after) in changed.items()]
    left_out = len(words) - MOST_CHANGES
    why.params.extend(changed)
    why.reasons.extend([*words[:MOST_CHANGES], f"{left_out} more in params.yaml"] if left_out > 0 else words)


def _code_change(name: str, old: str, new: str) -> str:
    return "its code changed" if name == "source" else f"{name} {old} -> {new}"
