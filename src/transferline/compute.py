"""Computes shards in this process, in several local processes or on Dask workers."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from transferline.errors import TransferlineError
from transferline.params import Compute
from transferline.processes import end_with_parent
from transferline.progress import progress, say
from transferline.text import reason_of

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_shards(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    compute: Compute | None,
    what: str,
    in_processes: bool = False,
) -> list[Result]:
    """Returns the results of `work` for each of `items`, in the order of `items`.

    If a Dask worker is lost, another one computes its current item again. Results that it has returned are kept.

    Args:
        work: a function at module level, or a `partial` of one. Its results must be small.
        items: one argument of `work` for each call.
        compute: where to compute; None computes on this machine.
        what: the name of the work in progress messages.
        in_processes: whether local work uses one process for each core. This is for work that is mostly Python, since
            only one thread of a process runs Python code at a time.

    Raises:
        Exception: any exception that `work` raises.
        TransferlineError: there is no Dask scheduler at the address, or a local process was killed.
    """
    if not items or compute is None or compute.engine == "local":
        if in_processes and len(items) > 1:
            return _by_processes(work, items, what)
        return [work(item) for item in progress(items, len(items), what)]
    from distributed import as_completed

    results: dict[int, Result] = {}
    with _client(compute) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        say(f"{what}: {len(items)} on {len(workers)} workers of {client.scheduler.address}")
        futures = client.map(work, items, pure=False)
        place = {future.key: number for number, future in enumerate(futures)}
        done = as_completed(futures, with_results=True)
        del futures  # Dask does not compute a result again, after its worker is lost, if no future refers to it
        for future, result in progress(done, len(items), what):
            results[place[future.key]] = result
            future.release()
    return [results[number] for number in range(len(items))]


def _by_processes(work: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result]:
    pool = ProcessPoolExecutor(min(len(items), os.cpu_count() or 1), initializer=end_with_parent)
    try:
        return list(progress(pool.map(work, items), len(items), what))
    except BrokenProcessPool as error:
        raise TransferlineError(
            f"{what}: a process was killed, perhaps because memory ran out; run the stage again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _client(compute: Compute) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if compute.address is None:
        settings = {"n_workers": compute.workers, "threads_per_worker": 1, "processes": True}
        with (
            LocalCluster(host="127.0.0.1", dashboard_address="127.0.0.1:0", **settings) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(compute.address, timeout=10)
    except (OSError, ValueError) as error:
        raise TransferlineError(
            f"compute.address: no Dask scheduler answers at {compute.address} ({reason_of(error)}); start one with "
            "`dask scheduler`, or leave the address out for workers on this machine"
        ) from error
    with client:
        yield client
