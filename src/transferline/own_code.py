"""Functions in the user's own Python files, named by import path, such as `networks.example:tiny_backbone`."""

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError


def is_own(name: str) -> bool:
    """Returns whether a name in the params is an import path."""
    return ":" in name


def file_of(name: str) -> Path:
    """Returns the file of an import path, relative to the project."""
    return Path(name.partition(":")[0].replace(".", "/") + ".py")


def require_file(name: str) -> Path:
    """Returns the file of an import path.

    Raises:
        TransferlineError: the file is missing in the working directory.
    """
    file = file_of(name)
    if not file.is_file():
        raise TransferlineError(f"{name}: there is no file {file} in {Path.cwd()}")
    return file


def own_function(name: str) -> Callable[..., Any]:
    """Runs the file again and returns the function. The file is looked up in the working directory.

    An exception inside the function becomes a TransferlineError that names file and line.

    Raises:
        TransferlineError: there is no such file or function, or the file raises an exception.
    """
    file, function = require_file(name), name.partition(":")[2]
    spec: Any = importlib.util.spec_from_file_location(name.partition(":")[0], file.absolute())
    module = importlib.util.module_from_spec(spec)
    _with_location(name, file, spec.loader.exec_module)(module)
    own = vars(module).get(function)
    if own is None:
        named = [key for key, value in vars(module).items() if callable(value) and value.__module__ == module.__name__]
        raise TransferlineError(f"{name}: {file} has no function {function}; it has {', '.join(named) or 'none'}")
    return _with_location(name, file, own)


def _with_location(name: str, file: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the function so that errors name the line of the user's code that fails."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [str(frame.lineno) for frame in frames if frame.filename == str(file.absolute())]
            place = f"{file}:{lines[-1]}" if lines else str(file)
            raise TransferlineError(f"{name} failed at {place}: {type(error).__name__}: {error}") from error

    return call
