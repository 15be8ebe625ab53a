"""The catalogue of public datasets, and those that a project lists in `data/sources.yaml`.

Each entry of `data/sources.yaml` is a stage of `data/dvc.yaml`, and a stage that never ran makes `dvc pull` fail. So
a project lists only datasets that it has fetched, that it trains on, or that its users have added themselves.
"""

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from transferline.atomic_files import write_text
from transferline.datasets.sources import Source, load_sources
from transferline.errors import TransferlineError
from transferline.paths import RAW
from transferline.yaml_text import parse_yaml

CATALOGUE = Path(__file__).with_name("public_datasets.yaml")
SOURCES, LOCK = Path("data/sources.yaml"), Path("data/dvc.lock")


def list_source(root: Path, dataset: str) -> None:
    """Updates `data/sources.yaml` for the dataset of the params.

    It adds the entry of a public dataset, and removes other entries of the catalogue that were never fetched.

    Args:
        root: the project's folder.
        dataset: `data.dataset` of the params.

    Raises:
        TransferlineError: `data/sources.yaml` is faulty.
    """
    file = root / SOURCES
    known, listed = load_sources(CATALOGUE), load_sources(file) if file.exists() else {}
    unused = [name for name in listed if name != dataset and listed[name] == known.get(name) and not _ran(root, name)]
    is_public = dataset in known and dataset not in listed and not (root / RAW / f"{dataset}.dvc").exists()
    if unused or is_public:
        _rewrite(file, unused, {dataset: known[dataset]} if is_public else {})


def check_at_hand(dataset: str, root: Path) -> None:
    """Checks that `data/raw/<dataset>` exists, or that DVC can get it, by a `.dvc` file or a stage that fetches it.

    Raises:
        TransferlineError: the check fails, or `data/sources.yaml` is faulty.
    """
    raw, file = root / RAW, root / SOURCES
    if (raw / dataset).exists() or (raw / f"{dataset}.dvc").exists():
        return
    listed = load_sources(file) if file.exists() else {}
    if dataset not in listed:
        there = {path.name.removesuffix(".dvc") for path in raw.glob("[!.]*")} | {*listed, *load_sources(CATALOGUE)}
        raise TransferlineError(
            f"data.dataset: there is no data/raw/{dataset}; add it with `transferline data add PATH --name {dataset}`"
            f", or name another one in params.yaml ({', '.join(sorted(there))})"
        )


def _ran(root: Path, name: str) -> bool:
    """Returns whether the stage that fetches a dataset has run, here or in another clone."""
    lock = root / LOCK
    recorded = parse_yaml(lock.read_text(encoding="utf-8"), lock) if lock.exists() else None
    return f"fetch@{name}" in (recorded or {}).get("stages", {})


def _rewrite(file: Path, without: list[str], added: dict[str, Source]) -> None:
    """Removes and adds entries. The rest of the file's text does not change."""
    yaml: Any = YAML()
    yaml.preserve_quotes = True
    text = file.read_text(encoding="utf-8") if file.exists() else "sources:\n"
    if (listed := yaml.load(text)["sources"]) and listed.fa.flow_style():
        raise TransferlineError(f"{file}: write `sources` with one entry below the other, without braces")
    for name in without:
        text = _without(text, *yaml.load(text)["sources"].lc.key(name))
    tree = yaml.load(text)
    tree["sources"] = tree["sources"] or {}
    for name, source in added.items():
        tree["sources"][name] = source.model_dump(mode="json", exclude_none=True)
    written = StringIO()
    yaml.dump(tree, written)
    write_text(file, written.getvalue())


def _without(text: str, line: int, column: int) -> str:
    """Returns the text of a YAML file without the entry whose key is at `line` and `column`, and its content."""
    lines = text.splitlines(keepends=True)
    below = " " * (column + 1)
    end = next((number for number in range(line + 1, len(lines)) if not lines[number].startswith(below)), len(lines))
    return "".join(lines[:line] + lines[end:])
