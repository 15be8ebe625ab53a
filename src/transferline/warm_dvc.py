"""`dvc`, in a child of the warm parent where there is one: `python -m transferline.warm_dvc …`.

Around each stage's command it does less than `dvc` does, and the same comes out.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferline import warm

HEAD = "schema: '2.0'\nstages:\n"


def main() -> None:
    """Exits as DVC does."""
    status = warm.run_in_child("dvc", "transferline.warm_dvc")
    if status is None:
        from dvc import dvcfile
        from dvc.cli import main as dvc

        dvcfile.modify_yaml = _lock_file_to_modify
        _hash_dependencies_once()
        _ask_for_stages_at_once()
        status = dvc(sys.argv[1:])
    sys.exit(status)


@contextmanager
def _lock_file_to_modify(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """What DVC has for its files to modify, faster for `dvc.lock`, and of the same bytes.

    DVC reads with the comments, of which a lock file has none, and writes all anew. That is half of what a stage costs
    around its command. Here a stage that is as it was keeps its text.
    """
    from dvc.utils.serialize import dump_yaml, dumps_yaml, parse_yaml

    file = Path(os.fspath(path))
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    data = parse_yaml(text, path)
    before = dict(data.get("stages") or {})
    yield data
    head, *blocks = re.split(r"^(?=  [^ ])", text, flags=re.MULTILINE)
    if head != HEAD or len(blocks) != len(before) or not text.endswith("\n"):
        dump_yaml(path, data, fs=fs)
        return
    written = dict(zip(before, blocks, strict=True))
    for name, stage in data["stages"].items():
        if before.get(name) is not stage:
            written[name] = dumps_yaml({"stages": {name: stage}}).partition("\n")[2]
    file.write_text(head + "".join(written.values()), encoding="utf-8")


def _hash_dependencies_once() -> None:
    """Has DVC look through a dependency once before a stage's command and once after it, not four times each."""
    from dvc.dependency.base import Dependency
    from dvc.stage import run

    build, cmd_run, found = Dependency._build, run.cmd_run, dict[tuple[Any, ...], Any]()

    def remembered(self: Any, *source: Any, **options: Any) -> Any:
        key = id(self), *source[1:]
        if key not in found:
            found[key] = build(self, *source, **options)
        return found[key]

    def then_forgotten(*arguments: Any, **options: Any) -> None:
        try:
            cmd_run(*arguments, **options)
        finally:
            found.clear()

    Dependency._build, run.cmd_run = remembered, then_forgotten


def _ask_for_stages_at_once() -> None:
    """Has DVC ask the warm parent for a stage command itself, not by a shell and a process that ask for it."""
    from dvc.stage import run
    from dvc.stage.exceptions import StageCmdFailedError

    in_shell = run._run

    def in_child(executable: str | None, cmd: str, *, cwd: str, env: dict[str, str], **options: Any) -> None:
        argv, status = cmd.split(" "), None
        if argv[:2] == ["transferline", "stage"] and shlex.join(argv) == cmd:
            environ = {name: value for name, value in env.items() if name != warm.CHILD}
            status = warm.run_in_child(argv[2], argv=argv, cwd=cwd, environ=environ)
        if status is None:
            in_shell(executable, cmd, cwd=cwd, env=env, **options)
        elif status:
            raise StageCmdFailedError(cmd, status)

    run._run = in_child


if __name__ == "__main__":
    main()
