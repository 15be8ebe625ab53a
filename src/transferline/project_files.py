"""The files that `transferline init` copies into a project, and their copy for `transferline upgrade`."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transferline.atomic_files import write_json, write_text
from transferline.errors import TransferlineError
from transferline.text import reason_of
from transferline.yaml_text import parse_yaml

TEMPLATE = Path(__file__).parent / "template"
PLACEHOLDER = "PROJECT_NAME"
# The template as it was when the project was made or last upgraded. Git tracks it.
KEPT = Path(".template")
MADE_BY = KEPT / "made_by.json"


@dataclass(frozen=True)
class MadeBy:
    """The name of a project, and the version of transferline whose template it has."""

    project: str
    version: str


def installed_version() -> str:
    """Returns the version of the installed package, such as 0.2.0."""
    return version("transferline")


def prefect_file(root: Path) -> dict[str, Any]:
    """Returns the content of `prefect.yaml`: `name`, which is also the name of the deployments, and `deployments`.

    Raises:
        TransferlineError: the file is missing, no valid YAML, or has no name.
    """
    file = root / "prefect.yaml"
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"), file)
    except FileNotFoundError as error:
        raise TransferlineError(f"{file} is missing; `git checkout prefect.yaml` restores it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TransferlineError(f"{file} cannot be read: {reason_of(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        raise TransferlineError(f"{file}: name: give the name of the project, a text, at the top level")
    return content


def minor(version: str) -> tuple[int, ...]:
    """Returns the first two numbers of a version, such as (0, 2) for 0.2.1."""
    return tuple(int(number) for number in version.split(".")[:2])


def other_version(root: Path) -> str:
    """Returns a sentence if another minor version of transferline made the project's files, else ""."""
    project = made_by(root)
    if project is None or minor(project.version) == minor(installed_version()):
        return ""
    return (
        f"transferline {installed_version()} is installed, but the files of this project are of {project.version}; "
        "`transferline upgrade` updates them"
    )


def template_texts(folder: Path, project: str = PLACEHOLDER) -> dict[Path, str]:
    """Returns the text of each file of a template, by its path, with the name of the project filled in."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    texts = {file.relative_to(folder): file.read_text(encoding="utf-8") for file in files}
    return {path: text.replace(PLACEHOLDER, project) for path, text in texts.items() if path.name != MADE_BY.name}


def keep_template(root: Path, texts: dict[Path, str], project: str) -> None:
    """Replaces the project's copy of the template, and records the installed version."""
    for path in template_texts(root / KEPT) if (root / KEPT).exists() else ():
        if path not in texts:
            (root / KEPT / path).unlink()
    for path, text in texts.items():
        write_text(root / KEPT / path, text)
    write_json(root / MADE_BY, asdict(MadeBy(project, installed_version())))


def made_by(root: Path) -> MadeBy | None:
    """Returns what `keep_template` recorded; None for a project that `transferline init` did not make.

    Raises:
        TransferlineError: the file is damaged, for example by a conflict of a Git merge.
    """
    file = root / MADE_BY
    if not file.is_file():
        return None
    try:
        return MadeBy(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise TransferlineError(f"{file} is damaged: {error}; `git checkout {MADE_BY}` restores it") from error
