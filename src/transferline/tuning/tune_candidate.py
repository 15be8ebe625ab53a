"""`transferline tune`: searches settings and writes the winner into `params.yaml` as a candidate."""

import hashlib
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transferline.atomic_files import write_json, write_text
from transferline.code_versions import code_of
from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc
from transferline.params import Augment, Params, Pretrained, load_params
from transferline.params.change import with_augment_and_candidate
from transferline.params.problem_kinds import KINDS
from transferline.paths import EVALUATIONS, MANIFEST, RAW
from transferline.pipeline import plan
from transferline.progress import say
from transferline.tuning.finals import compare_finalists
from transferline.tuning.fine_tunings import try_fine_tunings
from transferline.tuning.folds import repeated_splits
from transferline.tuning.search import Search
from transferline.tuning.search_space import NAME, PRESENT, augment_of, candidate_of, networks_to_try, wider
from transferline.tuning.trial_runs import open_runs
from transferline.tuning.trial_scores import Data
from transferline.tuning.tuning_report import REPORT, write_report
from transferline.use_recipe import name_in_mlflow

FOLDER = Path(".transferline/tune")
DIVISIONS = 3
SCRATCH = "scratch"
AUGMENT_FILE = "augment_of_search.json"  # that of the search, while params.yaml has the `wider` of a winner


def tune(root: Path, params: Params, minutes: float | None, trials: int | None) -> str:
    """Searches settings for the data of the project and writes the winner into `params.yaml` as the candidate `tuned`.

    If the candidate whose settings are varied wins as it is, no candidate is written.

    Args:
        root: the project's folder, which is the working directory.
        params: the content of `params.yaml`.
        minutes: the wall time after which the search ends; None if `trials` limits it.
        trials: the number of fine-tunings, together with those of earlier calls that this one continues.

    Returns:
        What was tried, the winner and its lead, for people.

    Raises:
        TransferlineError: the problem is a segmentation, there is no pretrained candidate to vary, the data was not
            accepted for training, or there are no images for validation.
    """
    base, present = base_candidate(params), params.augment
    say("checks the data: dvc repro validate")
    dvc(root, "repro", "--no-run-cache", "validate")
    manifest = read_table(MANIFEST)
    former = with_former_augment(params)
    if search_path(former, base, manifest).exists():
        params = former
    networks = networks_to_try(params, base)
    folder = search_folder(search_path(params, base, manifest))
    divisions = repeated_splits(manifest, DIVISIONS, params.seed, params.validate_.near_duplicate_bits)
    data = Data(params, RAW / params.data.dataset, divisions, folder / SCRATCH)
    end = time.monotonic() + minutes * 60 if minutes else math.inf
    search = Search(data, base, networks, folder, open_runs(params, folder.name), trials, end)
    heads = search.heads()
    search.present(lambda: predictions_of_trained(root, base, data) if params.augment == present else None)
    study = try_fine_tunings(search, heads)
    finals = compare_finalists(search, heads, study)
    sentences = write_report(data, heads, study, finals)
    winner, augment = finals[0].settings, augment_of(finals[0].settings, params.augment)
    candidate = None if winner.depth == PRESENT else candidate_of(winner, base)
    changes = {name: value for name, value in augment if value != getattr(present, name)}
    if augment != params.augment:
        write_json(folder / AUGMENT_FILE, params.augment.model_dump(mode="json"))
    write_winner(root, candidate, changes, sentences)
    if augment == params.augment:
        (folder / AUGMENT_FILE).unlink(missing_ok=True)
    done = f"has it as the candidate {NAME}" if candidate else "keeps its candidates"
    if not candidate and augment != present:
        done += f"; its section augment is again that of before {NAME}, which is no longer the best"
    return "\n".join([*sentences, f"params.yaml {done}; see {REPORT / 'index.html'}"])


def base_candidate(params: Params) -> Pretrained:
    """Returns the candidate whose settings are varied: the first one with a pretrained backbone.

    Raises:
        TransferlineError: the problem is a segmentation, or there is no such candidate.
    """
    if KINDS[params.data.problem].has_masks:
        raise TransferlineError(
            f"tune does not support data.problem: {params.data.problem}; it searches heads and fine-tunings of "
            "backbones for labels of whole images. Change the candidates in params.yaml by hand"
        )
    pretrained = [one for name, one in params.candidates.items() if isinstance(one, Pretrained) and name != NAME]
    if not pretrained and NAME in params.candidates:
        raise TransferlineError(
            f"tune varies a candidate with kind: pretrained, but params.yaml has only {NAME}, its own result; to "
            f"search from it, rename {NAME}"
        )
    if not pretrained:
        raise TransferlineError(
            "tune varies a candidate with kind: pretrained, but params.yaml has none; add one, such as that of "
            "`transferline use photos`"
        )
    return pretrained[0]


def predictions_of_trained(root: Path, base: Pretrained, data: Data) -> pd.DataFrame | None:
    """Returns the predictions for validation of a candidate's better model; None if it is not trained or not current.

    Args:
        root: the project's folder.
        base: the candidate.
        data: its first division is the project's own.
    """
    (name,) = (name for name, one in data.params.candidates.items() if one is base)
    files = sorted((root / EVALUATIONS / name).glob("*/predictions.parquet"))
    if not files or f"evaluate@{name}" in plan(root):
        return None
    say(f"takes the predictions of the trained candidate {name} from {EVALUATIONS / name}")
    order = data.divisions[0].of_split("validation")["path"]
    parts = (pd.read_parquet(file).set_index("path", drop=False).loc[order] for file in files)
    return max((part.reset_index(drop=True) for part in parts), key=data.value)


def with_former_augment(params: Params) -> Params:
    """Returns params with the section `augment` from before a winner changed it, so that its search can go on."""
    for file in FOLDER.glob(f"*/{AUGMENT_FILE}"):
        former = Augment.model_validate_json(file.read_text(encoding="utf-8"))
        if params.augment == wider(former):
            return params.model_copy(update={"augment": former})
    return params


def search_path(params: Params, base: Pretrained, manifest: ImageTable) -> Path:
    """Returns the path of the search's folder, whose name is a hash of everything that decides results of trials."""
    evaluate = params.evaluate.model_dump(mode="json", include={"seed", "bootstrap", "metrics"})
    bits = params.validate_.near_duplicate_bits
    settings = [params.seed, params.data, params.thresholds, params.augment, params.select, evaluate, bits, base]
    code = code_of(__name__, project=Path.cwd())
    digest = hashlib.sha256(repr([*settings, manifest.classes, code]).encode())
    columns = manifest.rows[["sha256", "label", "split", "group", "kept"]].astype(str)
    digest.update(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
    return FOLDER / digest.hexdigest()[:12]


def search_folder(folder: Path) -> Path:
    """Makes the folder of a search, or goes on with it, and deletes those of other searches."""
    for other in FOLDER.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    if folder.exists():
        say(f"continues the search in {folder}")
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    (folder / SCRATCH).mkdir(parents=True)
    return folder


def write_winner(root: Path, candidate: Pretrained | None, augment: Mapping[str, Any], comment: Sequence[str]) -> None:
    """Adds the winner to `params.yaml` with a comment; keeps what has changed in the file since the search began.

    Args:
        root: the project's folder.
        candidate: the winner; it replaces an earlier one. None writes no candidate.
        augment: the keys of the section `augment` that change, with their new values.
        comment: sentences.

    Raises:
        TransferlineError: the file is faulty.
    """
    if not candidate and not augment:
        return
    file = root / "params.yaml"
    before, text = load_params(file, name_in_mlflow(root)), file.read_text(encoding="utf-8")
    candidates = {**before.candidates, **({NAME: candidate} if candidate else {})}
    after = before.model_copy(
        update={"candidates": candidates, "augment": before.augment.model_copy(update=dict(augment))}
    )
    sentences = ("`transferline tune` found these settings.", *comment)
    write_text(file, with_augment_and_candidate(text, before, after, NAME if candidate else None, sentences))
