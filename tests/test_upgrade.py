"""`transferline upgrade` brings the changes of the template into a project, and keeps what the user changed."""

from pathlib import Path

import pytest

from tests.conftest import run
from transferline.atomic_files import write_json, write_text
from transferline.environment import enter_project
from transferline.errors import TransferlineError
from transferline.new_project import init
from transferline.project_files import KEPT, MADE_BY, TEMPLATE, installed_version, made_by, template_texts
from transferline.upgrade import upgrade

OLD = "# an older comment\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as version 0.1 made it: dvc.yaml had another first line, prefect.yaml retrained at another hour, and
    there was a file `old.txt`, but no `.gitattributes`."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@tester")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    root = tmp_path / "waste"
    init(root, None, None)
    for folder in (root, root / KEPT):
        write_text(folder / "dvc.yaml", OLD + (folder / "dvc.yaml").read_text())
        change(folder / "prefect.yaml", "0 3 * * 1", "0 4 * * 1")
        write_text(folder / "old.txt", "a file that the template has no more\n")
        (folder / ".gitattributes").unlink()
    write_json(root / MADE_BY, {"project": "waste", "version": "0.1.3"})
    commit(root)
    monkeypatch.chdir(root)
    return root


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    write_text(file, text.replace(old, new))


def commit(root: Path) -> None:
    run("git", "add", "-A", cwd=root)
    run("git", "commit", "-qm", "change", cwd=root)


def test_files_that_only_the_template_changed_become_the_new_ones(project: Path) -> None:
    upgraded = upgrade(project)
    assert upgraded.conflicts == []
    for line in ("dvc.yaml: updated", "prefect.yaml: updated", ".gitattributes: new", "old.txt: deleted"):
        assert line in upgraded.text
    for path, text in template_texts(TEMPLATE, "waste").items():
        if path != Path("data/sources.yaml"):  # `init` has added the digits
            assert (project / path).read_text(encoding="utf-8") == text
        assert (project / KEPT / path).read_text(encoding="utf-8") == text
    assert not (project / "old.txt").exists() and not (project / KEPT / "old.txt").exists()
    assert made_by(project).version == installed_version()  # type: ignore[union-attr]
    commit(project)
    assert ": 0 files of the template changed" in upgrade(project).text


def test_the_users_changes_stay(project: Path) -> None:
    change(project / "prefect.yaml", "interval: 900", "interval: 300")
    change(project / "old.txt", "no more", "no more, but I have")
    (project / "dvc.yaml").write_text((project / "dvc.yaml").read_text() + "# a comment of the user\n")
    (project / "networks" / "example.py").unlink()
    commit(project)
    upgraded = upgrade(project)
    assert upgraded.conflicts == []
    assert "prefect.yaml: merged with your changes" in upgraded.text and "old.txt: kept" in upgraded.text
    text = (project / "prefect.yaml").read_text()
    assert "interval: 300" in text and "0 3 * * 1" in text
    pipeline = (project / "dvc.yaml").read_text()
    assert OLD not in pipeline and pipeline.endswith("# a comment of the user\n")
    assert not (project / "networks" / "example.py").exists(), "what the user deleted stays away"


def test_a_conflict_is_named_and_both_texts_are_in_the_file(project: Path) -> None:
    change(project / "prefect.yaml", "0 4 * * 1", "0 5 * * 1")
    commit(project)
    upgraded = upgrade(project)
    assert upgraded.conflicts == ["prefect.yaml"] and "commit, and run `transferline upgrade` again" in upgraded.text
    text = (project / "prefect.yaml").read_text()
    assert "<<<<<<< yours" in text and "0 5 * * 1" in text and "0 3 * * 1" in text


def test_it_says_what_will_run_again_and_adds_missing_keys(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project / "params.yaml", "  gallery: 24", "  # gallery: 24")
    commit(project)
    text = upgrade(project).text
    assert "added missing keys to params.yaml: evaluate.gallery" in capsys.readouterr().out
    assert "will run:" in text and "  validate " in text and "never run" in text


def test_changes_that_are_not_committed_are_refused(project: Path) -> None:
    change(project / "prefect.yaml", "0 4 * * 1", "0 5 * * 1")
    with pytest.raises(TransferlineError, match="not committed"):
        upgrade(project)


def test_a_newer_project_and_one_without_a_record_are_refused(project: Path) -> None:
    write_json(project / MADE_BY, {"project": "waste", "version": "99.0.0"})
    with pytest.raises(TransferlineError, match=r"made by transferline 99\.0\.0"):
        upgrade(project)
    (project / MADE_BY).write_text("<<<<<<< HEAD\n")
    with pytest.raises(TransferlineError, match=r"made_by\.json is damaged: .*git checkout"):
        enter_project()
    (project / MADE_BY).unlink()
    with pytest.raises(TransferlineError, match="was not made by `transferline init`"):
        upgrade(project)


def test_commands_say_once_that_the_project_is_of_another_version(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFERLINE_TOLD_OF_VERSION", "")
    monkeypatch.delenv("TRANSFERLINE_TOLD_OF_VERSION")
    enter_project()
    enter_project()
    lines = [line for line in capsys.readouterr().err.splitlines() if "0.1.3" in line]
    assert len(lines) == 1 and "`transferline upgrade`" in lines[0]
    upgrade(project)
    monkeypatch.delenv("TRANSFERLINE_TOLD_OF_VERSION")
    enter_project()
    assert capsys.readouterr().err == ""
