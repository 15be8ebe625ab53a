"""Refuses params that change while a stage runs. DVC records the params of a stage only after it has ended."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferline.errors import TransferlineError
from transferline.yaml_text import parse_yaml


@contextmanager
def unchanged_params(root: Path, stage: str) -> Iterator[None]:
    """Checks at the end of the block that the params of a stage are those of its start.

    Args:
        root: the project's folder.
        stage: the name of the DVC stage, such as `train_head@lite0`; "" checks nothing.

    Raises:
        TransferlineError: a value that `dvc.yaml` lists for the stage has changed. No exception if the block itself
            fails.
    """
    before = params_of_stage(root, stage) if stage else {}
    yield
    after = params_of_stage(root, stage) if stage else {}
    if changed := [name for name in before if before[name] != after.get(name)]:
        raise TransferlineError(
            f"{stage}: {', '.join(changed)} changed while the stage ran. Its result is that of the former values and "
            "is not kept; run this again"
        )


def params_of_stage(root: Path, stage: str) -> dict[str, Any]:
    """Returns the values that `dvc.yaml` lists as params of a stage, by file and key; None where there is no value.

    A file that does not exist is left out.
    """
    name, _, key = stage.partition("@")
    entry = _read(root / "dvc.yaml")["stages"].get(name, {})  # the stage that fetches is in another file
    listed = [
        one.replace("${key}", key) if isinstance(one, str) else one for one in entry.get("do", entry).get("params", [])
    ]
    keys = {"params.yaml": [one for one in listed if isinstance(one, str)]}
    for one in listed:
        keys |= one if isinstance(one, dict) else {}
    trees = {file: _read(root / file) for file in keys if (root / file).exists()}
    return {f"{file}: {path}": _value(tree, path) for file, tree in trees.items() for path in keys[file]}


def _read(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    return json.loads(text) if file.suffix == ".json" else parse_yaml(text, file)


def _value(tree: Any, path: str) -> Any:
    for part in path.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree
