"""Removes images from a dataset, or removes a dataset: `transferline data remove`."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from transferline.datasets.change_files import aside_of, change_files, held_for_change, moved
from transferline.datasets.changes_by_hand import require_files
from transferline.datasets.dvc_add import as_before_on_failure, listed
from transferline.datasets.forgotten_checkout import refuse_forgotten_checkout
from transferline.datasets.layouts.table_paths import by_form, in_known_form
from transferline.datasets.own_datasets import corrections_file, require_own, require_versioned
from transferline.datasets.revisions import dvc_file
from transferline.datasets.version_contents import read_contents
from transferline.datasets.version_difference import compare_versions, images_by_class
from transferline.datasets.versions import Cache, Files, open_cache, recorded_files, status_of, workspace_files
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc, git
from transferline.params import load_params
from transferline.paths import RAW
from transferline.text import reason_of


def remove_photographs(root: Path, name: str, paths: Sequence[str]) -> str:
    """Removes files from a dataset and versions the result.

    Args:
        root: the project's folder.
        name: the name of a dataset under `dvc add`.
        paths: files and folders, relative to the dataset or to the project.

    Returns:
        A message: the difference to the version before, and how to restore that version.

    Raises:
        TransferlineError: the dataset cannot be changed, a path is not in it, no file would be left, or DVC's cache
            does not hold a file to remove. The dataset is then unchanged.
    """
    with held_for_change(root, "transferline data remove"):
        require_own(root, name)
        require_files(root, name)
        cache = open_cache(root)
        recorded = recorded_files(cache, name)
        before = workspace_files(root, name)
        refuse_forgotten_checkout(root, name)
        gone = _below(name, paths, before)
        if len(gone) == len(before):
            raise TransferlineError(f"that is all of {name}; `transferline data remove {name}` removes the dataset")
        _require_stored(cache, name, {path: before[path] for path in gone}, recorded)
        reader, present = read_contents(cache, name, before, root / RAW / name)
        old = reader.read_beside(recorded, present)
        earlier = commit_of(root, dvc_file(name))
        change_files(root, name, {}, gone)
        after = {path: md5 for path, md5 in before.items() if path not in gone}
        new = reader.read(after, root / RAW / name)
    lines = [str(compare_versions(old, new)), _way_back(name, earlier)]
    if dangling := [path for path in new.named if path in gone]:
        lines.insert(1, f"a table or list still names {len(dangling):,} of them: {listed(dangling)}; edit it")
    return "\n".join(lines)


def _below(name: str, paths: Sequence[str], files: Files) -> list[str]:
    """Returns the files that `paths` name; a folder means all files in it."""
    prefix = f"{(RAW / name).as_posix()}/"
    known = by_form({*files, *(str(folder) for file in files for folder in PurePosixPath(file).parents)})
    wanted = {path: Path(path).as_posix().removeprefix(prefix) for path in paths}  # without a slash at the end
    wanted = {path: in_known_form(inside, known) or inside for path, inside in wanted.items()}
    found = {
        path: [file for file in files if file == inside or file.startswith(f"{inside}/")]
        for path, inside in wanted.items()
    }
    if unknown := [path for path, below in found.items() if not below]:
        raise TransferlineError(f"not in {RAW / name}: {listed(unknown)}; give paths relative to that folder")
    return sorted({file for below in found.values() for file in below})


def _require_stored(cache: Cache, name: str, going: Files, recorded: Files) -> None:
    kept = set(recorded.values()) - cache.missing(going.values())
    if unsaved := [path for path, md5 in going.items() if md5 not in kept]:
        raise TransferlineError(
            f"{listed(unsaved)}: the last version of {name} in DVC's cache does not hold this content, so that it "
            f"would be lost; version it first with `dvc add {RAW / name}` (and commit {dvc_file(name)}), then remove"
        )


def commit_of(root: Path, file: Path) -> str | None:
    """Returns the latest commit that holds a file as it is in the workspace; None if there is none."""
    path = file.as_posix()
    blob = git(root, "hash-object", path).strip()
    for commit in git(root, "log", "--all", "--format=%h", f"--find-object={blob}", "--", path).split():
        if blob in git(root, "ls-tree", commit, "--", path).split():
            return commit
    return None


def _way_back(name: str, commit: str | None) -> str:
    file = dvc_file(name)
    if commit is None:
        return f"no commit names the version before; DVC's cache holds it until `dvc gc`. Commit {file}"
    return f"back: `git checkout {commit} -- {file} && dvc checkout {file}`; commit {file} to keep this version"


def remove_dataset(root: Path, name: str, agree: Callable[[str], bool]) -> str:
    """Removes a dataset's folder, its `.dvc` file and its file of corrections, if all can be restored.

    Args:
        root: the project's folder.
        name: the name of a dataset with a `.dvc` file.
        agree: a function that gets a description of the files to remove, and returns whether to remove them.

    Returns:
        A message: what was removed, and how to restore it.

    Raises:
        TransferlineError: a file is neither in DVC's cache nor in the remote, no commit contains the `.dvc` file or
            the corrections, or the dataset was changed since its last version. Nothing is removed then.
    """
    with held_for_change(root, "transferline data remove"):
        require_versioned(root, name)
        cache = open_cache(root)
        files = recorded_files(cache, name)
        commits = _require_committed(root, name)
        missing = cache.missing(files.values())
        lost = cache.missing_in_remote(missing) if missing else set()
        if lost:
            raise TransferlineError(
                f"{name} is not removed: neither DVC's cache nor the remote holds {_of(files, lost)}; `dvc add "
                f"{RAW / name}` puts files of the workspace into the cache"
            )
        corrected = [f"{corrections_file(name)}: its corrections go, too"] * (corrections_file(name) in commits)
        if not agree("\n".join([_listing(cache, name, files, missing), *corrected])):
            return "nothing was removed"
        _remove(root, name)
    back = [f"git checkout {commit} -- {file}" for file, commit in commits.items()]
    back.append(f"dvc {'pull' if missing else 'checkout'} {dvc_file(name)}")
    return f"removed {' and '.join(map(str, (RAW / name, *commits)))}; back: `{' && '.join(back)}`"


def _require_committed(root: Path, name: str) -> dict[Path, str]:
    """Returns the `.dvc` file and, if there is one, the file of corrections, each with a commit that holds it."""
    if (root / RAW / name).exists() and status_of(root, name):
        refuse_forgotten_checkout(root, name)
        raise TransferlineError(
            f"{RAW / name} was changed since its last version; `dvc add {RAW / name}` and commit {dvc_file(name)}, or "
            f"`dvc checkout --force {dvc_file(name)}`, then remove it"
        )
    commits = {}
    for file in (dvc_file(name), *([corrections_file(name)] if (root / corrections_file(name)).exists() else [])):
        if (commit := commit_of(root, file)) is None:
            raise TransferlineError(
                f"no commit holds this {file}, without which {name} cannot be restored; commit it first"
            )
        commits[file] = commit
    return commits


def _listing(cache: Cache, name: str, files: Files, missing: set[str]) -> str:
    _, contents = read_contents(cache, name, files)
    classes = ", ".join(f"{label} {count:,}" for label, count in images_by_class(contents, contents.labels).items())
    used = load_params(cache.root / "params.yaml").data.dataset == name
    lacking = f"DVC's cache lacks {_of(files, missing)}; the remote holds these files"
    stored = lacking if missing else "DVC's cache holds every file"
    return "\n".join(
        [
            f"{RAW / name}: {len(contents.labels):,} images{f' ({classes})' if classes else ''}, "
            f"{len(contents.others):,} other files",
            f"params.yaml {'trains on it: data.dataset' if used else 'does not use it'}",
            stored,
        ]
    )


def _of(files: Files, hashes: set[str]) -> str:
    paths = [path for path, md5 in files.items() if md5 in hashes]
    return f"{len(paths):,} of {len(files):,} files: {listed(paths)}"


def _remove(root: Path, name: str) -> None:
    folder, file = root / RAW / name, root / dvc_file(name)
    paths, aside = (folder, root / corrections_file(name)), aside_of(root, name)
    moves = [(path, aside / path.name) for path in paths if path.exists()]
    try:
        with moved(root, name, moves), as_before_on_failure(file, file.with_name(".gitignore")):
            dvc(root, "remove", dvc_file(name).as_posix())
    except OSError as error:
        raise TransferlineError(f"{RAW / name} cannot be removed: {reason_of(error)}") from error
