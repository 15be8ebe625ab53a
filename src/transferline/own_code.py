"""Functions in Python files of the user's own, named by import path, such as `networks.example:tiny_backbone`."""

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError


def is_own(name: str) -> bool:
    """Whether a name in the params is an import path."""
    return ":" in name


def file_of(name: str) -> Path:
    """The file that an import path names, relative to the project."""
    return Path(name.partition(":")[0].replace(".", "/") + ".py")


def require_file(name: str) -> Path:
    """The file that an import path names.

    Raises:
        TransferlineError: it is missing in the working directory.
    """
    file = file_of(name)
    if not file.is_file():
        raise TransferlineError(f"{name}: there is no file {file} in {Path.cwd()}")
    return file


def own_function(name: str) -> Callable[..., Any]:
    """Runs the file anew, from the working directory, and returns the function, whose failures name file and line.

    Raises:
        TransferlineError: there is no such file or function, or the file fails.
    """
    file, function = require_file(name), name.partition(":")[2]
    spec: Any = importlib.util.spec_from_file_location(name.partition(":")[0], file.absolute())
    module = importlib.util.module_from_spec(spec)
    _told(name, file, spec.loader.exec_module)(module)
    found = vars(module).get(function)
    if found is None:
        named = [key for key, value in vars(module).items() if callable(value) and value.__module__ == module.__name__]
        raise TransferlineError(f"{name}: {file} has no function {function}; it has {', '.join(named) or 'none'}")
    return _told(name, file, found)


def _told(name: str, file: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with errors that say where the user's code fails."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [str(frame.lineno) for frame in frames if frame.filename == str(file.absolute())]
            place = f"{file}:{lines[-1]}" if lines else str(file)
            raise TransferlineError(f"{name} failed at {place}: {type(error).__name__}: {error}") from error

    return call
