"""Imports of TensorFlow and Keras without what they print."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

SILENCED = RLock()  # two threads must not redirect standard error at the same time


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Drops what imports write to standard error in the block; exceptions pass.

    TensorFlow prints some lines before it reads TF_CPP_MIN_LOG_LEVEL, and most about its devices: where it is imported,
    they are looked up here too.
    """
    with without_native_messages():
        yield
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices()


@contextmanager
def without_native_messages() -> Iterator[None]:
    """Drops what is written to standard error in the block; exceptions pass. One thread at a time."""
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
