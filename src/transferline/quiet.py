"""Suppresses the messages that TensorFlow and Keras print when they are imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

SILENCED = RLock()  # two threads must not redirect standard error at the same time


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Drops everything that the block's imports write to standard error. Exceptions are raised as usual.

    TensorFlow prints some lines before it reads TF_CPP_MIN_LOG_LEVEL. It prints most lines when it lists its devices.
    So if TensorFlow was imported, its devices are listed inside the block.
    """
    with without_native_messages():
        yield
        if "tensorflow" in sys.modules:
            import tensorflow  # it is imported already

            tensorflow.config.list_physical_devices()


@contextmanager
def without_native_messages() -> Iterator[None]:
    """Drops everything that the block writes to standard error. Exceptions are raised as usual.

    Only one thread at a time can be in such a block.
    """
    with SILENCED:
        sys.stderr.flush()
        terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            os.close(nowhere)
