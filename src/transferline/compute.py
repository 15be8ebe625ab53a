"""Work that falls into shards, in this process or by the workers of Dask."""

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

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_shards(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    compute: Compute | None,
    what: str,
    in_processes: bool = False,
) -> list[Result]:
    """The results of `work` for each of `items`, in their order, wherever it is done.

    The item of a worker that is lost is done again by another one; what the lost one had handed over stays.

    Args:
        work: a function of a module, or a `partial` of one; its results are small.
        items: what there is to do.
        compute: where; here if left out.
        what: for the lines of progress.
        in_processes: here it is done by a process for each core, because it is mostly Python, which lets one thread
            run at a time.

    Raises:
        Exception: whatever `work` raises.
        TransferlineError: there is no scheduler at the address, or a process was killed.
    """
    if not items or compute is None or compute.engine == "local":
        if in_processes and len(items) > 1:
            return _by_processes(work, items, what)
        return [work(item) for item in progress(items, len(items), what)]
    from distributed import as_completed

    results: dict[int, Result] = {}
    with _client(compute) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        say(f"{what}: {len(items)} by {len(workers)} workers of {client.scheduler.address}")
        futures = client.map(work, items, pure=False)
        place = {future.key: number for number, future in enumerate(futures)}
        done = as_completed(futures, with_results=True)
        del futures  # a result that nobody holds any more is not computed again when its worker is lost
        for future, result in progress(done, len(items), what):
            results[place[future.key]] = result
            future.release()
    return [results[number] for number in range(len(items))]


def _by_processes(work: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result]:
    pool = ProcessPoolExecutor(min(len(items), os.cpu_count() or 1), initializer=end_with_parent)
    try:
        return list(progress(pool.map(work, items), len(items), what))
    except BrokenProcessPool as error:
        raise TransferlineError(f"{what}: a process was killed, perhaps for want of memory; run it again") from error
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
            f"compute.address: no Dask scheduler answers at {compute.address} ({error}); start one with "
            "`dask scheduler`, or leave the address out for workers on this machine"
        ) from error
    with client:
        yield client
