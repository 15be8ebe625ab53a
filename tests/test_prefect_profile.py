"""The user's Prefect server, from PREFECT_API_URL or from the active Prefect profile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import Settings

from tests.small_line import make_line, prefect_server, runs_of
from transferline import environment
from transferline.errors import TransferlineError
from transferline.prefect_server import configured_address

TRANSFERLINE = str(Path(sys.executable).parent / "transferline")
TEAM, MINE, NOBODY = "http://127.0.0.1:4201/api", "http://127.0.0.1:4202/api", "http://127.0.0.1:9/api"


def write_profiles(home: Path, url: str = TEAM) -> Path:
    """Profiles in a home folder: `team` with an address is active, `alone` has none."""
    file = home / ".prefect" / "profiles.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'active = "team"\n\n[profiles.team]\nPREFECT_API_URL = "{url}"\n\n[profiles.alone]\n')
    return file


@pytest.mark.parametrize(
    ("variables", "url", "origin"),
    [
        ({}, TEAM, "the profile team in "),
        ({"PREFECT_API_URL": MINE}, MINE, "the variable PREFECT_API_URL"),
        ({"PREFECT_API_URL": ""}, None, None),
        ({"PREFECT_PROFILE": "alone"}, None, None),
        ({"PREFECT_PROFILE": "absent"}, None, None),
        ({"PREFECT_PROFILE": "alone", "PREFECT_API_URL": MINE}, MINE, "the variable PREFECT_API_URL"),
        ({"PREFECT_PROFILES_PATH": "/absent/profiles.toml"}, None, None),
    ],
)
def test_the_address_is_the_one_that_prefect_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str | None, origin: str | None
) -> None:
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(write_profiles(tmp_path)))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = configured_address()
    assert (found.url if found else None) == url == (Settings().api.url or None)
    assert found is None or found.origin.startswith(str(origin))


def test_profiles_that_are_no_toml_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_profiles(tmp_path)
    file.write_text("active = team")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(file))
    with pytest.raises(TransferlineError, match=r"profiles\.toml: Prefect's profiles are not valid TOML"):
        configured_address()


def test_the_profiles_of_the_home_folder_count_unless_the_user_has_another_prefect_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_profiles(tmp_path)
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path)})
    environment.prepare(tmp_path / "project")
    assert os.environ["PREFECT_PROFILES_PATH"] == str(file)
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path / "other")})
    environment.prepare(tmp_path / "project")
    assert "PREFECT_PROFILES_PATH" not in os.environ


@pytest.fixture
def at_home(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a user with a home folder and no settings of Prefect, who has the project `line`."""
    make_line(tmp_path / "line")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    yield own | {"HOME": str(tmp_path / "home")}


def call(words: list[str], root: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRANSFERLINE, *words], cwd=root, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_runs_are_recorded_by_the_server_of_the_profile(tmp_path: Path, at_home: dict[str, str]) -> None:
    with prefect_server(tmp_path) as server:
        write_profiles(tmp_path / "home", server["PREFECT_API_URL"])
        done = call(["reconcile"], tmp_path / "line", at_home)
        assert (done.returncode, "starting Prefect" in done.stdout + done.stderr) == (0, False), done.stderr
        assert [run.state_name for run in runs_of("reconcile")] == ["Completed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "by"), [(["run", "--no-promote"], "variable"), (["reconcile"], "profile"), (["schedule"], "profile")]
)
def test_a_server_that_does_not_answer(tmp_path: Path, at_home: dict[str, str], words: list[str], by: str) -> None:
    if by == "profile":
        file = write_profiles(tmp_path / "home", NOBODY)
        origin = f"the profile team in {file}"
    else:
        at_home["PREFECT_API_URL"] = NOBODY
        origin = "the variable PREFECT_API_URL"
    done = call(words, tmp_path / "line", at_home)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: Prefect's server at {NOBODY} does not answer: ")
    assert done.stderr.endswith(f"start it, or change its address, which comes from {origin}\n")
