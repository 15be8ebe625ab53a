"""The tasks of this process that have started and not completed. Prefect's server knows this only after a while."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

_names: defaultdict[UUID | None, list[str]] = defaultdict(list)


def add_unfinished(task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """Adds a task that starts. It is a hook of tasks."""
    _names[run.flow_run_id].append(run.name)


def remove_completed(task: Task[..., Any], run: TaskRun, state: State[Any]) -> None:
    """Removes a task that has completed. It is a hook of tasks."""
    _names[run.flow_run_id].remove(run.name)


def unfinished_tasks(flow_run: UUID) -> list[str]:
    """Returns the names of the tasks of a flow run that have started and not completed, in the order of their start."""
    return list(_names.get(flow_run, ()))
