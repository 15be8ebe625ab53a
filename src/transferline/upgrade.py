"""Brings a project's files to the installed version of the template: `transferline upgrade`."""

from dataclasses import dataclass
from pathlib import Path

from transferline import pipeline
from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.git_and_dvc import git, merge_texts
from transferline.project_files import KEPT, TEMPLATE, installed_version, keep_template, made_by, minor, template_texts
from transferline.use_recipe import complete_params

CONFLICT = "conflicts of your changes with those of the template"


@dataclass(frozen=True)
class Upgrade:
    """What `upgrade` did, in words, and the files that have conflicts now."""

    text: str
    conflicts: list[str]


def upgrade(root: Path) -> Upgrade:
    """Merges the changes of the template since the project's version into the project's files.

    Git merges each file from three texts: the project's, the template's of then in `.template`, and the template's of
    today. A file that only the template changed becomes the new one. A file that you deleted stays deleted. Keys that
    `params.yaml` lacks are added.

    Args:
        root: the project's folder. Git must have all its changes, so that nothing can be lost.

    Raises:
        TransferlineError: `transferline init` did not make the project, a newer version did, or files have changes
            that are not committed.
    """
    project = made_by(root)
    if project is None:
        raise TransferlineError(
            f"{root} was not made by `transferline init`, so there is no record of its template; make a new project "
            "with `transferline init`, and copy params.yaml and your own files into it"
        )
    if minor(project.version) > minor(installed_version()):
        raise TransferlineError(
            f"{root} was made by transferline {project.version}, but {installed_version()} is installed; install "
            f"transferline {project.version} or newer"
        )
    if changed := git(root, "status", "--porcelain", "--untracked-files=no", "."):
        raise TransferlineError(f"these files have changes that are not committed; commit them first:\n{changed}")
    old, new = template_texts(root / KEPT), template_texts(TEMPLATE, project.project)
    brought = {path: _bring(root, path, old.get(path), new.get(path)) for path in sorted({*old, *new})}
    keep_template(root, new, project.project)
    lines = [f"{path}: {what}" for path, what in brought.items() if what]
    lines.insert(
        0, f"transferline {project.version} -> {installed_version()}: {len(lines)} files of the template changed"
    )
    conflicts = [str(path) for path, what in brought.items() if what == CONFLICT]
    if conflicts:
        lines.append("remove the lines with <<<<<<<, ======= and >>>>>>>, commit, and run `transferline upgrade` again")
    else:
        complete_params(root)
        lines += [*_what_will_run(root), "look at `git diff`, then commit"]
    return Upgrade("\n".join(lines), conflicts)


def _bring(root: Path, path: Path, old: str | None, new: str | None) -> str:
    """Brings one file to its new text; returns what was done with it, "" for nothing."""
    file = root / path
    own = file.read_text(encoding="utf-8") if file.exists() else None
    if old == new or own == new:
        return ""
    if new is None:
        if own == old:
            file.unlink()
            return "deleted, because the template has it no more"
        return "kept, because you changed it; the template has it no more"
    if own is None:
        if old is not None:
            return "not written, because you deleted it; the template changed it"
        write_text(file, new)
        return "new"
    if own == old:
        write_text(file, new)
        return "updated"
    merged, has_conflicts = merge_texts(own, old or "", new)
    write_text(file, merged)
    return CONFLICT if has_conflicts else "merged with your changes"


def _what_will_run(root: Path) -> list[str]:
    steps = pipeline.plan(root)
    if not steps:
        return ["nothing must run again"]
    width = max(map(len, steps))
    return ["will run:", *(f"  {name:<{width}}  {'; '.join(step.reasons)}" for name, step in steps.items())]
