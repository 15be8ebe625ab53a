"""What DVC says of the pipeline: which stages the present params need, in which order, and which would run and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.utils.flatten import flatten
from scmrepo.exceptions import SCMError

from transferline.errors import TransferlineError

NEVER_RUN = "never run"
DEPENDENCY_WORDS = {"new": "is new", "modified": "changed", "deleted": "is missing"}
OUTPUT_WORDS = {
    "new": "is not recorded",
    "modified": "is not as the stage wrote it",
    "deleted": "is missing",
    "not in cache": "is not in the cache",
}


def stages(root: Path) -> list[str]:
    """The stages of `dvc.yaml` and those they depend on, each after its dependencies, as `dvc repro` takes them.

    Stages of other files that nothing in `dvc.yaml` depends on (public sets that the params do not name) are left out.

    Raises:
        TransferlineError: DVC cannot read the pipeline.
    """
    with _pipeline(root) as graph:
        return [stage.addressing for stage in _in_order(graph, root)]


def changed(root: Path) -> dict[str, list[str]]:
    """The stages that `dvc repro` would run, in the order of `stages`, each with its reasons in words.

    Raises:
        TransferlineError: DVC cannot read the pipeline.
    """
    reasons: dict[str, list[str]] = {}
    with _pipeline(root) as graph:
        for stage in _in_order(graph, root):
            upstream = sorted(above.addressing for above in graph.successors(stage) if above.addressing in reasons)
            why = _reasons(stage)
            if upstream and why != [NEVER_RUN]:
                why.append(f"upstream changes: {', '.join(upstream)}")
            if why:
                reasons[stage.addressing] = why
    return reasons


@contextmanager
def _pipeline(root: Path) -> Iterator[Any]:
    """DVC's graph of stages, with an edge from each stage to each one that it depends on."""
    try:
        with Repo(str(root), _wait_for_lock=True) as repo, lock_repo(repo):
            yield repo.index.graph
    except (DvcException, SCMError) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise TransferlineError(f"DVC cannot read the pipeline in {root}: {error}{cause}") from error


def _in_order(graph: Any, root: Path) -> list[Any]:
    """The needed stages that have a command, dependencies first, otherwise in the order of `dvc.yaml`."""
    position = {stage: number for number, stage in enumerate(graph)}
    own = [stage for stage in graph if Path(stage.path) == root.resolve() / "dvc.yaml"]
    needed = graph.subgraph({*own, *(above for stage in own for above in nx.descendants(graph, stage))})
    order = nx.lexicographical_topological_sort(needed.reverse(), key=position.__getitem__)
    return [stage for stage in order if stage.cmd]


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
    """The values of `params.yaml` that differ from those of the stage's last run, each `key: old -> new`."""
    old, new = flatten(dependency.hash_info.value or {}), flatten(dependency.read_params())
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [f"{key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}" for key in keys]
