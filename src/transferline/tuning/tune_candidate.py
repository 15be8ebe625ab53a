"""`transferline tune`: searches settings and writes the best ones into `params.yaml` as a candidate."""

import hashlib
import json
import math
import shutil
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from transferline.atomic_files import write_json, write_text
from transferline.code_versions import code_of
from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.git_and_dvc import dvc
from transferline.params import Augment, Params, Pretrained
from transferline.params.problem_kinds import KINDS
from transferline.params.write import WIDTH
from transferline.paths import MANIFEST, RAW
from transferline.progress import say
from transferline.tuning.folds import repeated_splits
from transferline.tuning.search import Scored, Search
from transferline.tuning.search_space import augment_of, candidate_of, networks_to_try
from transferline.tuning.trial_runs import open_runs
from transferline.tuning.trial_scores import NAME, Data
from transferline.tuning.tuning_report import REPORT, write_report
from transferline.use_recipe import write_params

FOLDER = Path(".transferline/tune")
DIVISIONS = 3
SCRATCH = "scratch"
AUGMENT_FILE = "augment.json"  # that of the params before and after the winner was written


def tune(root: Path, params: Params, minutes: float | None, trials: int | None) -> str:
    """Searches settings for the data of the project and writes the winner into `params.yaml` as the candidate `tuned`.

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
    base, params = base_candidate(params), with_former_augment(params)
    say("checks the data: dvc repro validate")
    dvc(root, "repro", "validate")
    manifest = read_table(MANIFEST)
    folder = search_folder(params, base, manifest)
    divisions = repeated_splits(manifest, DIVISIONS, params.seed)
    data = Data(params, RAW / params.data.dataset, divisions, folder / SCRATCH)
    end = time.monotonic() + minutes * 60 if minutes else math.inf
    networks = networks_to_try(params, base)
    search = Search(data, base, networks, folder, open_runs(params, folder.name), trials, end)
    heads = search.heads()
    study = search.fine_tunings(heads)
    finals = search.finals(heads, study)
    sentences = write_report(params, heads, study, finals)
    augments = [params.augment, augment_of(finals[0].settings, params.augment)]
    write_json(folder / AUGMENT_FILE, [each.model_dump(mode="json") for each in augments])
    write_winner(root, params, base, finals[0], sentences)
    return "\n".join([*sentences, f"params.yaml has it as the candidate {NAME}; see {REPORT / 'index.html'}"])


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
    if not pretrained:
        raise TransferlineError(
            "tune varies a candidate with kind: pretrained, but params.yaml has none; add one, such as that of "
            "`transferline use photos`"
        )
    return pretrained[0]


def with_former_augment(params: Params) -> Params:
    """Returns params with the section `augment` from before a winner changed it, so that its search can go on."""
    for file in FOLDER.glob(f"*/{AUGMENT_FILE}"):
        before, after = json.loads(file.read_text(encoding="utf-8"))
        if after == params.augment.model_dump(mode="json"):
            return params.model_copy(update={"augment": Augment.model_validate_json(json.dumps(before))})
    return params


def search_folder(params: Params, base: Pretrained, manifest: ImageTable) -> Path:
    """Returns the folder of the search; its name is a hash of everything that decides results. Deletes other ones."""
    settings = [params.seed, params.data, params.thresholds, params.augment, params.select, base, manifest.classes]
    digest = hashlib.sha256(repr([*settings, code_of(__name__)]).encode())
    columns = manifest.rows[["sha256", "label", "split", "group", "kept"]].astype(str)
    digest.update(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
    folder = FOLDER / digest.hexdigest()[:12]
    for other in FOLDER.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    if folder.exists():
        say(f"continues the search in {folder}")
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    (folder / SCRATCH).mkdir(parents=True)
    return folder


def write_winner(root: Path, params: Params, base: Pretrained, winner: Scored, comment: Sequence[str]) -> None:
    """Adds the winner to `params.yaml` with a comment; replaces an earlier winner, and `augment` if it differs."""
    candidate = candidate_of(winner.settings, base)
    changed = {
        "candidates": {**params.candidates, NAME: candidate},
        "augment": augment_of(winner.settings, params.augment),
    }
    write_params(params.model_copy(update=changed), root, force=True)
    file = root / "params.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    place = lines.index(f"  {NAME}:", lines.index("candidates:") if "candidates:" in lines else 0)
    sentences = ("`transferline tune` found these settings.", *comment)
    comments = [f"  # {line}" for sentence in sentences for line in textwrap.wrap(sentence, WIDTH - 4)]
    write_text(file, "\n".join([*lines[:place], *comments, *lines[place:]]) + "\n")
