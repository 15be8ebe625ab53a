"""`transferline init` makes a project: its files, its data, its recipe and its first commit."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, make_images, run
from tests.tiny_masks import make_segmented
from transferline.errors import TransferlineError
from transferline.flows.deployments import read_deployments
from transferline.new_project import init
from transferline.params import load_params
from transferline.pipeline import plan
from transferline.project_files import PLACEHOLDER, TEMPLATE, made_by, prefect_file, template_texts

OF_THIS_REPOSITORY = {Path("README.md"), Path("data/sources.yaml")}  # which also explain and list what only it has


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Git knows a user, and `prepare` sets no variable beyond the test."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@tester")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


def test_the_root_of_this_repository_is_the_template() -> None:
    for path, text in template_texts(TEMPLATE, "transferline").items():
        if path not in OF_THIS_REPOSITORY:
            assert (ROOT / path).read_text(encoding="utf-8") == text, path


def test_without_data_it_is_the_digits_job_in_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "numbers"
    text = init(root, None, None)
    assert text.splitlines()[-1] == f"next: cd {root} && transferline run"
    assert run("git", "status", "--porcelain", cwd=root).stdout == ""
    assert len(run("git", "log", "--format=%s", cwd=root).stdout.splitlines()) == 1
    params = load_params(root / "params.yaml")
    assert (params.data.dataset, params.promote.model_name, params.record.experiment) == ("digits", *["numbers"] * 2)
    assert made_by(root).project == "numbers"  # type: ignore[union-attr]
    for path, written in template_texts(TEMPLATE, "numbers").items():
        is_whole = path != Path("data/sources.yaml")  # the recipe's dataset is added there
        assert ((root / path).read_text(encoding="utf-8") == written or not is_whole) and PLACEHOLDER not in written
    monkeypatch.chdir(root)
    assert "fetch@digits" in next(iter(plan(root)))


def test_the_name_of_a_project_can_look_like_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init(tmp_path / "2024_06", None, None)
    monkeypatch.chdir(tmp_path / "2024_06")
    assert prefect_file(Path())["name"] == "2024_06"
    assert {each.name for each in read_deployments(Path(), {})} == {"2024_06"}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "recipe"), [("classes", "photos"), ("masks", "photos_segmentation")])
def test_with_data_it_takes_layout_and_recipe_from_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, recipe: str
) -> None:
    make_images(tmp_path / "source") if kind == "classes" else make_segmented(
        tmp_path / "source", {"kind": "image_mask_folders", "images": "images", "masks": "masks"}
    )
    root = tmp_path / "sorting"
    text = init(root, None, str(tmp_path / "source"))
    assert f"recipe {recipe} (fits " in text
    params = load_params(root / "params.yaml")
    assert (params.data.dataset, params.promote.model_name) == ("sorting", "sorting")
    if kind == "classes":
        assert [each.image.size for each in params.candidates.values()] == [128], "the images have 40 px"
    assert run("git", "status", "--porcelain", cwd=root).stdout == ""
    monkeypatch.chdir(root)
    steps = list(plan(root))
    assert steps[0] == "validate" and len(steps) > 4, "the data are there, and nothing must be fetched"


@pytest.mark.slow
def test_a_recipe_of_the_users_choice_reads_the_users_data(tmp_path: Path) -> None:
    make_images(tmp_path / "source")
    assert "recipe cats_vs_dogs (named by you)" in init(tmp_path / "mine", "cats_vs_dogs", str(tmp_path / "source"))
    params = load_params(tmp_path / "mine" / "params.yaml")
    assert "cnn" in params.candidates and params.data.dataset == params.record.experiment == "mine"


def make_folder(path: Path) -> None:
    path.mkdir(parents=True)


@pytest.mark.parametrize(
    ("name", "prepare", "recipe", "source", "words"),
    [
        ("full/x", lambda root: make_folder(root / "inside"), None, None, "is not empty"),
        ("my waste", lambda root: None, None, None, "cannot be a project's name"),
        ("new", lambda root: None, "nothing_like_it", None, "give a file, or a recipe of transferline: bottles, "),
        ("new", lambda root: None, None, "not_there", "no such folder or archive"),
        ("in/new", lambda root: run("git", "init", "-q", cwd=root.parent), None, None, "inside the Git repository"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    tmp_path: Path, name: str, prepare: object, recipe: str | None, source: str | None, words: str
) -> None:
    root = tmp_path / name
    root.parent.mkdir(exist_ok=True)
    prepare(root)  # type: ignore[operator]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(TransferlineError, match=words):
        init(root, recipe, source)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_source_without_a_layout_leaves_nothing(tmp_path: Path) -> None:
    make_images(tmp_path / "source")
    with pytest.raises(TransferlineError, match="no layout fits"):
        init(tmp_path / "new", None, str(tmp_path / "source" / "red"))
    assert not (tmp_path / "new").exists()


def test_a_recipe_for_another_kind_of_problem_is_named_with_the_kind_of_the_data(tmp_path: Path) -> None:
    make_images(tmp_path / "source")
    words = r"the recipe camvid does not fit .*source, which looks like the data of a multiclass .* class_folders"
    with pytest.raises(TransferlineError, match=words):
        init(tmp_path / "new", "camvid", str(tmp_path / "source"))
    assert not (tmp_path / "new").exists()


def test_without_an_identity_of_git_the_project_is_made_and_the_commit_is_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "")
    assert "git add -A && git commit" in init(tmp_path / "new", None, None)
    assert "nothing is committed yet" in capsys.readouterr().out
    assert load_params(tmp_path / "new" / "params.yaml").data.dataset == "digits"
