"""Batches of requests that wait at the same time, without a server."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread
from types import SimpleNamespace

import numpy as np

from transferline.serving.batcher import Batcher


def test_requests_that_wait_together_share_a_batch_and_get_their_own_answers():
    sizes, threads, at_work, all_wait = [], set(), Event(), Event()

    def answer(images: np.ndarray) -> list[np.ndarray]:
        at_work.set()
        all_wait.wait(60)
        sizes.append(len(images))
        threads.add(current_thread())
        return list(images[:, 0, 0, :].astype(np.float32))

    batcher = Batcher(SimpleNamespace(outputs=answer))
    asked = [[np.full((4, 4, 2), number, np.uint8)] * (number % 5 + 1) for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(batcher.outputs, asked[0])]
        at_work.wait(60)
        futures += [pool.submit(batcher.outputs, images) for images in asked[1:]]
        deadline = time.monotonic() + 60
        while len(batcher._waiting) < 19 and time.monotonic() < deadline:
            time.sleep(0.01)
        waiting = len(batcher._waiting)
        all_wait.set()
        answers = [future.result() for future in futures]
    assert waiting == 19, "after a minute not all requests wait"
    assert sum(sizes) == sum(map(len, asked)) and max(sizes) <= 32
    assert len(threads) == 1, "each thread that runs a model keeps an interpreter with its memory"
    assert len(sizes) <= 5  # 60 images: the first request alone, the others in batches of at least 28
    for images, rows in zip(asked, answers, strict=True):
        np.testing.assert_array_equal(rows, [image[0, 0] for image in images])
