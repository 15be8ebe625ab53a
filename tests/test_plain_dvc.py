"""DVC's commands work in a project as its users expect: photographs are pushed and pulled with it, and never lost."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import COLORS, ROOT, edit_yaml, make_images, run
from tests.empty_databases import give_database
from tests.small_line import command, commit, make_line
from transferline.datasets.public_datasets import CATALOGUE, list_source
from transferline.datasets.sources import load_sources
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.params.missing import missing_keys
from transferline.params.write import complete_text
from transferline.stages import fetch
from transferline.use_recipe import remove_other_candidates, use

OWN = "  # from the old camera\n  own: {kind: folder, path: nowhere}\n"
LISTED = f"# mine\nsources:\n  digits:\n    kind: digits\n\n{OWN}"


def photographs(root: Path) -> list[str]:
    raw = root / "data" / "raw"
    return sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*.png"))


@pytest.mark.slow
def test_a_colleague_pulls_everything_and_no_dvc_command_deletes_a_photograph(
    trained_copy: Path, tmp_path: Path
) -> None:
    project = trained_copy
    edit_yaml(project / "params.yaml", lambda tree: tree["candidates"].pop("small"))
    for folder in ("evaluations", "insight"):
        shutil.rmtree(project / folder / "small")
    run("dvc", "remote", "add", "-q", "-d", "store", tmp_path / "store", cwd=project)
    list_source(project, "colors")
    run("dvc", "repro", "-q", cwd=project)
    commit(project)
    run("dvc", "push", "-q", cwd=project)
    everything = photographs(project)
    assert len(everything) == 120

    clone = tmp_path / "clone"
    command("git", "clone", "-q", project, clone, cwd=tmp_path)
    assert run("dvc", "pull", cwd=clone).returncode == 0
    assert photographs(clone) == everything
    give_database(project / ".prefect")
    done = run("transferline", "run", cwd=clone)
    assert "1 stage ran in " in done.stdout and "epoch 1" not in done.stdout + done.stderr, "only `record` runs"
    assert "version 1 was promoted" in done.stdout
    assert command("git", "status", "--porcelain", cwd=clone) == "?? data/tested_images.txt\n"

    run("dvc", "gc", "-w", "-f", cwd=clone)
    shutil.rmtree(clone / "data" / "raw" / "colors")
    run("dvc", "checkout", "-q", cwd=clone)
    assert photographs(clone) == everything
    make_images(clone / "data" / "raw" / "colors" / "by_hand", {"red": COLORS["red"]}, 1)
    shutil.move(clone / "data/raw/colors/by_hand/red/0.png", clone / "data/raw/colors/red/by_hand.png")
    shutil.rmtree(clone / "data/raw/colors/by_hand")
    more = sorted([*everything, "colors/red/by_hand.png"])
    for words in (["exp", "run", "-S", "evaluate.bootstrap=150"], ["checkout"], ["repro"]):
        run("dvc", *words, cwd=clone)
        assert photographs(clone) == more
    recorded = YAML(typ="safe").load(clone / "data/raw/colors.dvc")["outs"][0]
    assert recorded["nfiles"] == 121, "`dvc repro` records photographs that were copied in by hand"


@pytest.mark.thorough
def test_the_params_of_every_recipe_can_be_set_by_dvc_exp_run(tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    for recipe in sorted((ROOT / "recipes").glob("*.yaml")):
        (root / "params.yaml").write_text(complete_text(load_params(recipe)), encoding="utf-8")
        commit(root)
        run("dvc", "exp", "run", "--queue", "-S", "seed=8", cwd=root)
        (tmp_path / recipe.name).write_text(command("git", "show", "refs/exps/celery/stash:params.yaml", cwd=root))
        wanted = load_params(recipe).model_copy(update={"seed": 8})
        assert load_params(tmp_path / recipe.name) == wanted, recipe.name
        rewritten = (tmp_path / recipe.name).read_text(encoding="utf-8")
        assert missing_keys(rewritten, wanted) == [], "DVC keeps every key"
        assert "# augmented views per training image" in rewritten, "and the explanations"


@pytest.mark.slow
def test_a_fetch_refuses_to_replace_photographs_of_somebodys_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(make_line(tmp_path / "line"))
    raw = Path("data/raw/digits")
    places = {"name": "digits", "sources": ROOT / "data/sources.yaml", "raw": raw, "downloads": tmp_path}
    params = load_params(Path("params.yaml"))
    fetch.run(params, **places)
    command("dvc", "add", "-q", raw, cwd=Path.cwd())
    fetch.run(params, **places)
    (raw / "0" / "mine.png").write_bytes(b"mine")
    with pytest.raises(TransferlineError, match=r"would be lost: data/raw/digits/0/mine\.png\. .*make a new dataset"):
        fetch.run(params, **places)
    assert (raw / "0" / "mine.png").read_bytes() == b"mine"


def test_a_project_lists_only_public_sets_that_it_fetched_or_trains_on(tmp_path: Path) -> None:
    file = tmp_path / "data" / "sources.yaml"
    list_source(tmp_path, "digits")
    assert load_sources(file) == {"digits": load_sources(CATALOGUE)["digits"]}
    file.write_text(LISTED)
    list_source(tmp_path, "digits")
    assert file.read_text() == LISTED
    list_source(tmp_path, "traffic_signs")
    assert set(load_sources(file)) == {"own", "traffic_signs"}
    assert load_sources(file)["traffic_signs"] == load_sources(CATALOGUE)["traffic_signs"]
    assert OWN in file.read_text()
    (tmp_path / "data" / "dvc.lock").write_text("stages: {fetch@traffic_signs: {outs: []}}")
    list_source(tmp_path, "own")
    assert set(load_sources(file)) == {"own", "traffic_signs"}, "what was fetched stays"
    (tmp_path / "data" / "raw").mkdir()
    (tmp_path / "data" / "raw" / "digits.dvc").touch()
    list_source(tmp_path, "digits")
    assert set(load_sources(file)) == {"own", "traffic_signs"}, "a dataset of the user's with that name"


@pytest.mark.slow
def test_dvc_reads_a_project_without_public_sets(tmp_path: Path) -> None:
    root = make_line(tmp_path / "line")
    shutil.copy(ROOT / "data/dvc.yaml", root / "data")
    (root / "data/sources.yaml").write_text("sources: {}\n")
    run("dvc", "status", cwd=root)
    run("dvc", "repro", "-q", cwd=root)


def results(root: Path) -> set[str]:
    kinds = ("bank", "models", "evaluations", "insight", "reports", "data")
    files = [path for kind in kinds for path in (root / kind).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix() for path in [*files, *root.glob("metrics.json")]} - {"data/sources.yaml"}


def test_another_recipe_leaves_nothing_of_the_job_before(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    chosen = '{"selected": {"candidate": "lite0_plain", "phase": "head"}}'
    files = {"metrics.json": chosen, "reports/leaderboard.md": "", "data/d": ""}
    files |= {
        f"{kind}/{name}/f": ""
        for kind in ("bank", "models", "evaluations", "insight")
        for name in ("lite0_plain", "old", "copy_of_a_user")
    }
    kinds = ("bank/{}", "models/{}/head", "evaluations/{}", "insight/{}")
    outs = [{"path": kind.format(name)} for kind in kinds for name in ("lite0_plain", "old")]
    (tmp_path / "dvc.lock").write_text(json.dumps({"stages": {"validate": {"outs": outs}}}) + "\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    remove_other_candidates(tmp_path, load_params(tmp_path / "params.yaml"))
    assert results(tmp_path) == {name for name in files if "old" not in name}
    use(tmp_path / "recipes/digits.yaml", tmp_path, force=False)
    assert results(tmp_path) == {name for name in files if "old" not in name}, "the same recipe changes nothing"
    use(tmp_path / "recipes/waste.yaml", tmp_path, force=False)
    assert results(tmp_path) == {"data/d", *(name for name in files if "copy_of_a_user" in name)}
