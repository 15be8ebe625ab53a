"""A program for tests: it promotes, or moves the champion, and kills itself at a given step.

Run `python -m tests.kill_at WHAT STEP before|after NTH` in the project's folder.
"""

import os
import sys
from pathlib import Path

import mlflow

from transferline.params import load_params
from transferline.registry import champion_move, ledger, promotion

STEPS = {
    "log": (mlflow.MlflowClient, "log_model_artifacts"),
    "register": (mlflow, "register_model"),
    "journal": (champion_move, "_write"),
    "alias": (mlflow.MlflowClient, "set_registered_model_alias"),
    "smoke": (champion_move, "smoke_test"),
    "ledger": (ledger, "append"),
    "tag": (mlflow.MlflowClient, "set_model_version_tag"),
    "finish": (champion_move, "_finish"),
}


def die_at(step: str, when: str, nth: int) -> None:
    owner, name = STEPS[step]
    original, calls = getattr(owner, name), []

    def dying(*arguments: object, **keywords: object) -> object:
        calls.append(name)
        if len(calls) == nth and when == "before":
            os._exit(9)
        result = original(*arguments, **keywords)
        if len(calls) == nth:
            os._exit(9)
        return result

    setattr(owner, name, dying)


def example_move(former: str | None = "1", version: str = "2") -> ledger.Move:
    return ledger.Move(
        kind="promotion", model="colors", former=former, version=version, reason="better", forced=False,
        figure="accuracy 0.9000", test_set="f" * 64,
    )  # fmt: skip


if __name__ == "__main__":
    what, step, when, nth = sys.argv[1:]
    champion_move.smoke_test = lambda *_: None
    die_at(step, when, int(nth))
    if what == "promote":
        promotion.promote(load_params(Path("params.yaml")), Path.cwd())
    else:
        uri = f"sqlite:///{Path.cwd()}/mlruns/mlflow.db"
        champion_move.move_champion(mlflow.MlflowClient(uri), Path.cwd(), example_move())
