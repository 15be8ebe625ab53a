"""Plans a run of DVC: which stages the current params need, their order, and which of them would run and why."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from scmrepo.exceptions import SCMError

from transferline.code_versions import write_code_versions
from transferline.datasets.dvc_lock_file import LOCK, how_to_restore, keep_copy
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.paths import CODE
from transferline.progress import say
from transferline.text import reason_of
from transferline.why_stages_run import NEVER_RUN, Why, why_it_runs


@dataclass(frozen=True)
class Step:
    """A stage of the pipeline and how it would run.

    Attributes:
        why: why it would run; its `reasons` are empty if the stage is up to date.
        forced: whether it runs even if nothing changed.
        needs: the stages that would run and must run before it.
        companions: stages without work for their candidate, such as `train@lite0` if the section `train` of `lite0` is
            null. The DVC command that runs this stage runs them first, so that `dvc.lock` has an entry for each stage.
    """

    why: Why
    forced: bool
    needs: set[str]
    companions: list[str] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """The reasons to run the stage, in words; empty if it is up to date."""
        return self.why.reasons


def reasons_by_stage(root: Path) -> dict[str, list[str]]:
    """Returns for each stage the reasons why it would run, in words; the list is empty if the stage is up to date.

    The stages are those of `dvc.yaml` and those that they depend on. They are in the order of `dvc repro`:
    dependencies first. Data from `dvc add` or `dvc import` appears as a stage with the name of its `.dvc` file.

    Two kinds of stages are left out: those without work for their candidate, and those that fetch a public dataset
    which the params do not name.

    Raises:
        TransferlineError: DVC cannot read the pipeline, or the params are faulty.
    """
    return {name: step.reasons for name, step in _steps(root, None).items()}


def plan(root: Path, force_from: str | None = None) -> dict[str, Step]:
    """Returns the stages that would run, in the order of `reasons_by_stage`.

    Args:
        root: the project's folder.
        force_from: a stage that runs even if nothing changed, with all stages that depend on it. A name without
            a candidate, such as `train_head`, means that stage of every candidate.

    Raises:
        TransferlineError: DVC cannot read the pipeline, the params are faulty, or there is no stage `force_from`.
    """
    return {name: step for name, step in _steps(root, force_from).items() if step.reasons}


def _steps(root: Path, force_from: str | None) -> dict[str, Step]:
    """Returns all stages except those without work for their candidate."""
    idle = _idle_stages(root)
    write_code_versions(root)
    steps: dict[str, Step] = {}
    with open_repo(root) as repo:
        graph = repo.index.graph
        order = [stage for stage in _in_order(graph, root) if stage.addressing != CODE.stem]
        forced = _forced(graph, order, force_from) if force_from else set()
        for stage in order:
            above = {each.addressing for each in graph.successors(stage)} & steps.keys()
            needs = {name for name in above - idle if steps[name].reasons}.union(
                *(steps[name].needs for name in above & idle)
            )
            why = Why([f"forced from {force_from} on"]) if stage in forced else why_it_runs(stage)
            if needs and why.reasons != [NEVER_RUN]:
                why.reasons.append(f"upstream changes: {', '.join(sorted(needs))}")
            steps[stage.addressing] = Step(why, stage in forced, needs)
        _give_companions(graph, order, steps, idle)
        keep_copy(root)
    return {name: step for name, step in steps.items() if name not in idle}


def _idle_stages(root: Path) -> set[str]:
    """Returns the stages without work: the candidate's section with the name of the stage is null."""
    candidates = load_params(root / "params.yaml").candidates
    return {f"{stage}@{name}" for name, section in candidates.items() for stage, part in section if part is None}


def _give_companions(graph: Any, order: list[Any], steps: dict[str, Step], idle: set[str]) -> None:
    """Makes each idle stage that would run a companion of the first step that depends on it, else of the last step."""
    planned = [stage for stage in order if stage.addressing not in idle and steps[stage.addressing].reasons]
    for stage in order if planned else []:
        if stage.addressing in idle and steps[stage.addressing].reasons:
            below = (each for each in planned if stage in nx.descendants(graph, each))
            steps[next(below, planned[-1]).addressing].companions.append(stage.addressing)


def _forced(graph: Any, order: list[Any], force_from: str) -> set[Any]:
    """Returns the stages with the name `force_from` and those that depend on them."""
    starts = {stage for stage in order if force_from in (stage.addressing, _group(stage))}
    if not starts:
        names = dict.fromkeys(_group(stage) for stage in order if stage.cmd)
        raise TransferlineError(
            f"there is no stage {force_from}; allowed are {', '.join(names)}, also with @ and the name of a candidate"
        )
    return {stage for stage in order if stage in starts or starts & nx.descendants(graph, stage)}


def _group(stage: Any) -> str:
    """Returns the stage's name without file and candidate: `train_head` for `train_head@lite0_plain`."""
    return str(stage.addressing).rpartition(":")[2].partition("@")[0]


@contextmanager
def open_repo(root: Path) -> Iterator[Any]:
    """Yields the project as a DVC repository, and holds DVC's lock during the block.

    The repository's graph has an edge from each stage to each stage that it depends on.

    Raises:
        TransferlineError: DVC cannot read the pipeline.
    """
    try:
        with Repo(str(root)) as repo, ExitStack() as stack:
            _wait_for_lock(repo, stack)
            yield repo
    except (DvcException, SCMError) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        hint = f"; {how_to_restore(root)}" if LOCK.name in str(error) else ""
        raise TransferlineError(f"DVC cannot read the pipeline in {root}: {reason_of(error)}{cause}{hint}") from error


def _wait_for_lock(repo: Repo, stack: ExitStack) -> None:
    """Takes DVC's lock. It waits for another DVC command without a time limit; DVC itself stops waiting."""
    while True:
        try:
            stack.enter_context(lock_repo(repo))
            return
        except LockError:
            say("waiting for another DVC command")


def _in_order(graph: Any, root: Path) -> list[Any]:
    """Returns the stages of `dvc.yaml` and all that they depend on: dependencies first, else in the file's order."""
    position = {stage: number for number, stage in enumerate(graph)}
    own = [stage for stage in graph if Path(stage.path) == root.resolve() / "dvc.yaml"]
    needed = graph.subgraph({*own, *(above for stage in own for above in nx.descendants(graph, stage))})
    order = nx.lexicographical_topological_sort(needed.reverse(), key=position.__getitem__)
    return list(order)
