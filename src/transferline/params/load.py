"""Reads `params.yaml` and explains its errors."""

import difflib
import json
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from transferline.errors import TransferlineError
from transferline.params.job_defaults import with_job_defaults
from transferline.params.tree import Params
from transferline.text import reason_of
from transferline.yaml_text import parse_settings

QUOTES = "put it in quotes"


def load_params(path: Path, project: str | None = None) -> Params:
    """Reads and checks a params file or a recipe; missing keys get their defaults.

    Args:
        path: the file.
        project: the default of the names in MLflow; None for the name of the dataset.

    Raises:
        TransferlineError: the file cannot be read, or keys or values are wrong. The message names all of them.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TransferlineError(f"{path}: no such file; `transferline use RECIPE` writes params.yaml") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TransferlineError(f"{path} cannot be read: {reason_of(error)}") from error
    return parse_params(text, path, project)


def parse_params(text: str, path: Path, project: str | None = None) -> Params:
    """Checks the text of a params file, as `load_params` does. Messages name `path`."""
    tree = with_job_defaults(parse_settings(text, path, ["candidates"]), project)
    try:
        return Params.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        faults = dict.fromkeys(_explain(fault, tree) for fault in error.errors() if not _is_other_member(fault))
        raise TransferlineError("\n  ".join([f"{path}: {len(faults)} fault(s)", *faults])) from error


def _is_other_member(fault: Any) -> bool:
    """Returns whether the fault comes from an alternative of a union that the value is not meant to be."""
    is_section = isinstance(fault["input"], dict)
    return (is_section and fault["type"] == "literal_error") or (
        not is_section and fault["type"] == "model_type" and isinstance(fault["input"], str)
    )


def _explain(fault: Any, tree: Any) -> str:
    keys, models = _walk(fault, tree)
    location = ".".join(keys) or "(top level)"
    if fault["type"] == "extra_forbidden":
        allowed = sorted({field.alias or name for model in models for name, field in model.model_fields.items()})
        near = difflib.get_close_matches(keys[-1], allowed, 1)
        return f"{location}: unknown key; {f'did you mean {near[0]}? ' if near else ''}allowed are {', '.join(allowed)}"
    if fault["type"] == "missing":
        return f"{location}: missing; `transferline params {location}` explains the key"
    value = json.dumps(fault["input"])
    quotes = f"; {QUOTES}" if fault["type"] == "string_type" and isinstance(fault["input"], int | float) else ""
    got = f" (got {value})" if len(value) <= 80 else ""
    return f"{location}: {fault['msg'].removeprefix('Value error, ')}{got}{quotes}"


def _walk(fault: Any, tree: Any) -> tuple[list[str], list[type[BaseModel]]]:
    """Returns the path of a fault as keys of the file, and the sections that can contain the last of these keys.

    Names that pydantic adds for the members of a union are left out.
    """
    keys: list[str] = []
    models: list[type[BaseModel]] = [Params]
    parents = models
    for part in fault["loc"]:
        is_key = isinstance(part, int) if isinstance(tree, list) else isinstance(tree, dict) and part in tree
        if not is_key and not (fault["type"] == "missing" and part == fault["loc"][-1]):
            models = [model for model in models if _is_named(model, part)] or models
            continue
        keys.append(str(part))
        tree, parents = (tree[part] if is_key else None), models
        named = [item for model in models for item in model.model_fields.items()]
        fields = [field for name, field in named if part in (field.alias, name)]
        models = [inner for field in fields for inner in _sections(field.annotation)] or models
    return keys, parents


def _is_named(model: type[BaseModel], tag: int | str) -> bool:
    fields = [model.model_fields[name] for name in ("kind", "name") if name in model.model_fields]
    return tag == model.__name__ or any(tag in get_args(field.annotation) for field in fields)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]
