"""Imports without the lines that TensorFlow's native code prints before it reads TF_CPP_MIN_LOG_LEVEL."""

import importlib
import os
import sys
from types import ModuleType


def import_quietly(name: str) -> ModuleType:
    """Imports a module; what native code writes to standard error meanwhile is dropped, exceptions are not.

    If TensorFlow came with it, its devices are looked up as well, since that is what it prints most about. Keras's
    wrappers for scikit-learn, which are optional and nobody uses here, are left out: they are a quarter of its import.
    """
    wrappers = {"sklearn": None} if "sklearn" not in sys.modules else {}
    sys.stderr.flush()
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    sys.modules.update(wrappers)  # type: ignore[arg-type]
    try:
        module = importlib.import_module(name)
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices()
    finally:
        for name in wrappers:
            del sys.modules[name]
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
    return module
