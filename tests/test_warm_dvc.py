"""`transferline.warm_dvc` beside `dvc`: the same lock file, with less reading and writing."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import run
from transferline import warm

TEXTS = {"plain": "a", "none": None, "yes": "yes", "number": "1e3", "hash": "12345678", "quotes": "it's: #1", "ü": "µ"}
LONG = (
    "python -c \"print('a word and another one, ' * 3)\" && "
    "mkdir -p one && echo 1 > one/a && echo one > one/b && echo one >> source/log"
)


def test_writes_the_lock_file_that_dvc_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(warm.SWITCH, "0")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    stages = {
        name: {"cmd": LONG.replace("one", name), "deps": ["source"], "params": ["texts"], "outs": [name]}
        for name in ("one", "two", "three")
    }
    (ours / "source").mkdir()
    (ours / "params.yaml").write_text(yaml.safe_dump({"texts": TEXTS | {"list": [1.5, TEXTS, []]}}))
    (ours / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    run("git", "init", "-q", cwd=ours)
    run("dvc", "init", "-q", cwd=ours)
    shutil.copytree(ours, theirs)
    for content in ("first", "second"):
        for root, module in ((ours, "transferline.warm_dvc"), (theirs, "dvc")):
            (root / "source" / "a").write_text(content)
            for name in stages:
                run(sys.executable, "-m", module, "repro", "--single-item", name, cwd=root)
    lock = (ours / "dvc.lock").read_text(encoding="utf-8")
    assert lock == (theirs / "dvc.lock").read_text(encoding="utf-8")
    assert set(yaml.safe_load(lock)["stages"]) == set(stages)
    # what the command itself did to what it depends on is seen
    assert len({stage["deps"][0]["md5"] for stage in yaml.safe_load(lock)["stages"].values()}) == len(stages)
    assert max(map(len, lock.splitlines())) < len(LONG)  # a command is wrapped as it is by DVC
