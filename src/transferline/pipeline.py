"""What DVC says of the pipeline: which stages the present params need, in which order, and which would run and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.utils.flatten import flatten
from scmrepo.exceptions import SCMError

from transferline.code_versions import write_code_versions
from transferline.errors import TransferlineError
from transferline.paths import CODE

NEVER_RUN, MOST_CHANGES = "never run", 6
DEPENDENCY_WORDS = {"new": "is new", "modified": "changed", "deleted": "is missing"}
OUTPUT_WORDS = {
    "new": "is not recorded",
    "modified": "is not as the stage wrote it",
    "deleted": "is missing",
    "not in cache": "is not in the cache",
}


@dataclass(frozen=True)
class Step:
    """A stage that is to run: why, whether even if nothing changed, and which of the other steps come first."""

    reasons: list[str]
    forced: bool
    needs: set[str]


def reasons_by_stage(root: Path) -> dict[str, list[str]]:
    """The stages of `dvc.yaml` and what they depend on, each after its dependencies, as `dvc repro` takes them, with
    the reasons in words why it would run: none where it is up to date.

    Data under `dvc add` or `dvc import` stands with its `.dvc` file. Stages of other files that nothing in `dvc.yaml`
    depends on (public sets that the params do not name) are left out.

    Raises:
        TransferlineError: DVC cannot read the pipeline.
    """
    return {name: step.reasons for name, step in _steps(root, None).items()}


def plan(root: Path, force_from: str | None = None) -> dict[str, Step]:
    """What is to run, in the order of `reasons_by_stage`.

    Args:
        root: the project's folder.
        force_from: a stage (`train_head` stands for that of every candidate) that runs even if nothing changed, with
            all that depends on it.

    Raises:
        TransferlineError: DVC cannot read the pipeline, or there is no stage `force_from`.
    """
    return {name: step for name, step in _steps(root, force_from).items() if step.reasons}


def _steps(root: Path, force_from: str | None) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    write_code_versions(root)
    with open_repo(root) as repo:
        graph = repo.index.graph
        order = _in_order(graph, root)
        forced = _forced(graph, order, force_from) if force_from else set()
        for stage in (stage for stage in order if stage.addressing != CODE.stem):
            above = {each.addressing for each in graph.successors(stage)}
            needs = {name for name in above if name in steps and steps[name].reasons}
            why = [f"forced from {force_from} on"] if stage in forced else _reasons(stage)
            if needs and why != [NEVER_RUN]:
                why.append(f"upstream changes: {', '.join(sorted(needs))}")
            steps[stage.addressing] = Step(why, stage in forced, needs)
    return steps


def _forced(graph: Any, order: list[Any], force_from: str) -> set[Any]:
    """The stages of that name and those that depend on them."""
    starts = {stage for stage in order if force_from in (stage.addressing, _group(stage))}
    if not starts:
        names = dict.fromkeys(_group(stage) for stage in order if stage.cmd)
        raise TransferlineError(
            f"there is no stage {force_from}; allowed are {', '.join(names)}, or one with its @name"
        )
    return {stage for stage in order if stage in starts or starts & nx.descendants(graph, stage)}


def _group(stage: Any) -> str:
    """The stage's name without file and candidate: `train_head` of `train_head@lite0_plain`."""
    return str(stage.addressing).rpartition(":")[2].partition("@")[0]


@contextmanager
def open_repo(root: Path) -> Iterator[Any]:
    """The project as DVC sees it, locked. Its graph has an edge from each stage to each one that it depends on.

    Raises:
        TransferlineError: DVC cannot read it.
    """
    try:
        with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
            yield repo
    except (DvcException, SCMError) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise TransferlineError(f"DVC cannot read the pipeline in {root}: {error}{cause}") from error


def _in_order(graph: Any, root: Path) -> list[Any]:
    """The needed stages, dependencies first, otherwise in the order of `dvc.yaml`."""
    position = {stage: number for number, stage in enumerate(graph)}
    own = [stage for stage in graph if Path(stage.path) == root.resolve() / "dvc.yaml"]
    needed = graph.subgraph({*own, *(above for stage in own for above in nx.descendants(graph, stage))})
    order = nx.lexicographical_topological_sort(needed.reverse(), key=position.__getitem__)
    return list(order)


def _reasons(stage: Any) -> list[str]:
    """Why DVC would run `stage`, apart from what its upstream stages will write; empty when it would not."""
    if not any(item.hash_info for item in (*stage.deps, *stage.outs)):
        return [NEVER_RUN]
    reasons = []
    for entry in stage.status().get(stage.addressing, []):
        if entry == "always changed":
            reasons.append("runs every time")
        elif entry == "changed command":
            reasons.append("its command changed")
        elif "changed outs" in entry:
            reasons += [f"{path} {OUTPUT_WORDS[word]}" for path, word in entry["changed outs"].items()]
        else:
            files = entry["changed deps"].items()
            reasons += [f"{path} {DEPENDENCY_WORDS[word]}" for path, word in files if isinstance(word, str)]
            reasons += [change for dep in stage.params for change in _param_changes(dep)]
    return reasons


def _param_changes(dependency: Any) -> list[str]:
    """The values of `params.yaml` that differ from those of the stage's last run, each `key: old -> new`; of many, as
    after another recipe, the first `MOST_CHANGES`. Of `code.json`, what changed in words."""
    old, new = flatten(dependency.hash_info.value or {}), flatten(dependency.read_params())
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if dependency.def_path == CODE.name:
        return [_code_change(key.rpartition(".")[2], old.get(key, "absent"), new.get(key, "absent")) for key in keys]
    changes = [f"{key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}" for key in keys[:MOST_CHANGES]]
    left_out = len(keys) - MOST_CHANGES
    return [*changes, f"{left_out} more in params.yaml"] if left_out > 0 else changes


def _code_change(name: str, old: str, new: str) -> str:
    return "its code changed" if name == "source" else f"{name} {old} -> {new}"
