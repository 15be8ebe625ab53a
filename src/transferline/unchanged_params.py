"""Refuses params and code that change while a stage runs. DVC records both only after the stage has ended."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferline.code_versions import stage_code
from transferline.errors import TransferlineError
from transferline.paths import CODE
from transferline.yaml_text import parse_settings


@contextmanager
def unchanged_params(root: Path, stage: str) -> Iterator[None]:
    """Checks at the end of the block that the params of a stage are those of its start.

    Args:
        root: the project's folder.
        stage: the name of the DVC stage, such as `train_head@lite0`; "" checks nothing.

    Raises:
        TransferlineError: the code of the stage is not that of `code.json` at the start, or a value that `dvc.yaml`
            lists for the stage has changed. No exception at the end if the block itself fails.
    """
    listed = params_of_stage(root, stage) if stage else []
    before, name = _values(root, listed), stage.rpartition(":")[2].partition("@")[0]
    if (CODE.name, name) in before and before[CODE.name, name] != stage_code(name, root):
        raise TransferlineError(f"{stage}: its code has changed since {CODE} was written; run this again")
    yield
    after = _values(root, listed)
    if changed := [f"{file}: {path}" for file, path in before if before[file, path] != after.get((file, path))]:
        raise TransferlineError(
            f"{stage}: {', '.join(changed)} changed while the stage ran. DVC does not record its result, which is that "
            "of the former values; run this again"
        )


def params_of_stage(root: Path, stage: str) -> list[tuple[str, str]]:
    """Returns file and key of the params that `dvc.yaml` lists for a stage; the key "" means the whole file.

    For a stage of another file the list is empty.
    """
    path, _, name = stage.rpartition(":")
    if set(Path(path).parts[:-1]) - {".."}:
        return []
    name, _, key = name.partition("@")
    entry = parse_settings((root / "dvc.yaml").read_text(encoding="utf-8"), "dvc.yaml")["stages"].get(name, {})
    found = []
    for one in entry.get("do", entry).get("params", []):
        if isinstance(one, str):
            found.append(("params.yaml", one.replace("${key}", key)))
        else:
            found += [(file, path) for file, paths in one.items() for path in paths or [""]]
    return found


def _values(root: Path, listed: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Returns the values, None where there is none. Files that do not exist are left out."""
    trees = {file: _read(root / file) for file, _ in listed if (root / file).exists()}
    return {(file, path): _value(trees[file], path) for file, path in listed if file in trees}


def _read(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    return json.loads(text) if file.suffix == ".json" else parse_settings(text, file.name)


def _value(tree: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree
