"""The database that a project's Prefect begins with."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from prefect.server.database import provide_database_interface

from transferline import prefect_database
from transferline.prefect_database import ELSEWHERE, NAME, begin, template


def test_the_database_of_the_environment_needs_no_migration(tmp_path: Path) -> None:
    assert template().exists(), "`make setup` makes it"
    begin(tmp_path / "home")
    with closing(sqlite3.connect(tmp_path / "home" / NAME)) as database:
        found = database.execute("SELECT version_num FROM alembic_version").fetchall()
        assert database.execute("SELECT count(*) FROM flow_run").fetchall() == [(0,)]
    migrations = provide_database_interface().orm.versions_dir
    newest = ScriptDirectory(str(migrations.parents[1]), version_locations=[str(migrations)]).get_current_head()
    assert newest and found == [(newest,)]
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_runs_of_a_project_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("mine")
    begin(tmp_path)
    assert (tmp_path / NAME).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_database_elsewhere_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "postgresql+asyncpg://db/prefect")
    begin(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_without_one_prefect_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_database, "template", lambda: template().with_name("another version"))
    begin(tmp_path / "home")
    assert not (tmp_path / "home").exists()
