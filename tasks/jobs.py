"""Runs stages. Several run at the same time if none of them depends on another."""

from graphlib import TopologicalSorter

from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from transferline.errors import TransferlineError
from transferline.pipeline import Step
from transferline.tasks.stage import end_stages, run_stage


class StagesFailedError(TransferlineError):
    """One stage failed, or several that ran at the same time."""


def run_steps(steps: dict[str, Step], jobs: int) -> dict[str, float]:
    """Runs each step after the steps that it needs, at most `jobs` at the same time.

    Returns:
        The seconds of each step, in the order in which they ended.

    Raises:
        StagesFailedError: a stage failed; the message contains those of all failed stages. After a failure no other
            stage starts, but running stages continue to their end.
    """
    position = {name: number for number, name in enumerate(steps)}
    sorter = TopologicalSorter({name: step.needs for name, step in steps.items()})
    sorter.prepare()
    ready: list[str] = []
    running: dict[PrefectFuture[float], str] = {}
    seconds: dict[str, float] = {}
    failures: list[str] = []
    with ThreadPoolTaskRunner(max_workers=jobs) as runner:
        try:
            while running or (sorter.is_active() and not failures):
                ready = sorted([*ready, *sorter.get_ready()], key=position.__getitem__)
                while ready and len(running) < jobs and not failures:
                    name = ready.pop(0)
                    step = steps[name]
                    parameters = {"name": name, "force": step.forced, "companions": step.companions}
                    running[runner.submit(run_stage, parameters)] = name
                future = next(as_completed(list(running)))
                future.wait()
                name = running.pop(future)
                if future.state.is_completed():
                    seconds[name] = future.result()
                    sorter.done(name)
                else:
                    failures.append(str(future.state.message))
        except BaseException:
            end_stages()
            raise
    if failures:
        raise StagesFailedError("\n".join(failures))
    return seconds
