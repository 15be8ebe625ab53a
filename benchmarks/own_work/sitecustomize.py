"""On PYTHONPATH, which Python looks through at its start: writes how long the `run` of each stage takes, without the
imports of its module, to the file that TRANSFERLINE_OWN_WORK names; a line of wall and CPU seconds each.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def _timed(run: Callable[..., None]) -> Callable[..., None]:
    @wraps(run)
    def timed(*params: Any, **named: Any) -> None:
        wall, cpu = time.perf_counter(), sum(os.times()[:4])
        run(*params, **named)
        with Path(os.environ["TRANSFERLINE_OWN_WORK"]).open("a", encoding="utf-8") as file:
            print(time.perf_counter() - wall, sum(os.times()[:4]) - cpu, file=file)

    return timed


class _Stages(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.startswith("transferline.stages.") else None
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_wrap(module: ModuleType) -> None:
                execute(module)
                module.run = _timed(module.run)  # type: ignore[attr-defined]

            spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Stages())
