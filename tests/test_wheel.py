"""The built wheel holds all that the command needs, without this repository."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, run

BUILT_FROM = ("src", "flows", "tasks", "recipes", "setup.py", "pyproject.toml", "README.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        source = ROOT / name
        skipped = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(source, folder / name, ignore=skipped) if source.is_dir() else shutil.copy(
            source, folder / name
        )
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_it_has_every_module_recipe_and_file_of_the_template_under_one_name(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    parts = {"flows": "flows/*.py", "tasks": "tasks/*.py", "recipes": "recipes/*"}
    wanted: set[str] = set()
    for part, pattern in parts.items():
        wanted |= {f"transferline/{part}/{file.name}" for file in ROOT.glob(pattern) if file.is_file()}
    package = ROOT / "src" / "transferline"
    files = [file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    wanted |= {f"transferline/{file.relative_to(package).as_posix()}" for file in files}
    assert inside == wanted


@pytest.mark.slow
def test_it_makes_and_plans_a_project_in_an_environment_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # The dependencies of this environment. Its own link to this repository does not count there.
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies))

    def transferline(*words: str, cwd: Path) -> str:
        done = subprocess.run(
            [python, "-m", "transferline", *words], cwd=cwd, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = "import transferline, transferline.flows.run, transferline.tasks.stage; print(transferline.__file__)"
    found = run(python, "-c", where, cwd=tmp_path).stdout.strip()
    assert Path(found).is_relative_to(packages)
    assert transferline("--version", cwd=tmp_path).startswith("transferline ")
    transferline("init", "numbers", cwd=tmp_path)
    assert "train_head@lite0_plain" in transferline("status", cwd=tmp_path / "numbers")
