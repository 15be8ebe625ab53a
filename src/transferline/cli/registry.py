"""The commands about registered models: promote, report, history, rollback, reproduce."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from transferline import environment
from transferline.cli.arguments import Commands, add_command, utf8_text
from transferline.errors import TransferlineError
from transferline.paths import PAGE
from transferline.problems.predicted_files import writing
from transferline.text import reason_of
from transferline.training_lock import held

if TYPE_CHECKING:
    from transferline.params import Params
    from transferline.registry.promotion import Decision


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    promote = add_command(
        commands, "promote", _promote, "make the selected model the champion if it passes every gate", "--dry-run"
    )
    promote.add_argument("--dry-run", action="store_true", help="only show the decision: register and promote nothing")
    promote.add_argument("--force", action="store_true", help="promote although gates fail; needs --reason")
    promote.add_argument("--reason", type=utf8_text, help="why; the ledger keeps it")
    promote.add_argument("--json", type=Path, metavar="FILE", help="write the decision to this file as well")
    add_command(commands, "report", _report, "render the page of the last retraining again: reports/index.html")
    smoke = add_command(
        commands,
        "smoke",
        _smoke,
        "load a registered version as a server does, and check its predictions",
        "sqlite:///mlruns/mlflow.db waste champion",
    )
    smoke.add_argument("uri", help="MLflow's tracking URI")
    smoke.add_argument("model", help="the registered model's name")
    smoke.add_argument("reference", help="an alias, or a version's number")
    add_command(commands, "history", _history, "list every move of the alias champion, with reasons")
    rollback = add_command(
        commands,
        "rollback",
        _rollback,
        "make an earlier champion the champion again",
        "--reason 'confuses glass and metal'",
    )
    rollback.add_argument("--to", metavar="VERSION", help="by default the version that the champion replaced")
    rollback.add_argument("--reason", type=utf8_text, required=True, help="why; the ledger keeps it")
    reproduce = add_command(commands, "reproduce", _reproduce, "train a registered version again, and compare", "3")
    reproduce.add_argument("version", help="the number of the version")


def _promote(options: argparse.Namespace) -> int:
    """`transferline promote`: prints every gate and the decision."""
    if options.force != (options.reason is not None):
        raise TransferlineError('--force needs --reason and --reason needs --force: promote --force --reason "…"')
    target = options.json.resolve() if options.json else None
    if target and not target.parent.is_dir():
        raise TransferlineError(f"--json: the folder {target.parent} does not exist; create it, or name another file")
    root = environment.enter_project()
    from transferline.registry.promotion import promote
    from transferline.report.page import log_page

    params = _params(root)
    with held(root, "transferline promote"):  # a training changes the files that a decision reads
        decision = promote(params, root, options.dry_run, options.reason)
        if target:
            with writing(target):
                target.write_text(json.dumps(asdict(decision)), encoding="utf-8")
        _print_decision(decision, options.dry_run)
        if _write_page_or_warn(params, root):
            print(f"promote: the page of this retraining: {PAGE}")
            if decision.gates and decision.version and not options.dry_run:
                try:
                    log_page(params, root, decision.version, root / PAGE)
                except Exception as error:  # each kind of store raises errors of its own
                    print(f"warning: MLflow has no copy of the page: {reason_of(error)}", file=sys.stderr)
    return 0


def _write_page_or_warn(params: "Params", root: Path) -> bool:
    """Renders the page, or warns: an error does not undo what the command has done. Returns whether it succeeded."""
    from transferline.report.page import write_page

    try:
        with held(root, "transferline report"):
            write_page(params, root)
    except Exception as error:
        reason = reason_of(error)
        print(f"warning: the page was not written: {reason}\n`transferline report` writes it", file=sys.stderr)
        return False
    return True


def _print_decision(decision: "Decision", dry_run: bool) -> None:
    width = max((len(gate.name) for gate in decision.gates), default=0)
    for gate in decision.gates:
        print(f"{gate.name:<{width}}  {gate.state:<14}  {gate.sentence}")
    named = f"version {decision.version}" if decision.version else "the selected model"
    would, no = "would " * dry_run, "not " * (not decision.accepted)
    print(f"{named}: {would}{no}{'be ' * dry_run}promoted, {decision.reason}", flush=True)


def _report(options: argparse.Namespace) -> int:
    """`transferline report`: prints the path of the page."""
    from transferline.report.page import write_page

    root = environment.enter_project()
    with held(root, "transferline report"):
        print(f"written: {write_page(_params(root), root)}")
    return 0


def _smoke(options: argparse.Namespace) -> int:
    """`transferline smoke`: exits with 1 if the model fails."""
    environment.prepare(Path.cwd())
    from transferline.registry.smoke_test import smoke

    smoke(options.uri, options.model, options.reference)
    return 0


def _history(options: argparse.Namespace) -> int:
    """`transferline history`: prints every move of the alias champion."""
    from transferline.registry.known_moves import known_moves
    from transferline.registry.ledger import history

    root = environment.enter_project()
    params = _params(root)
    name = params.promote.model_name
    print(history(known_moves(params.record, root, name), name))
    return 0


def _rollback(options: argparse.Namespace) -> int:
    """`transferline rollback`: prints which version is the champion again.

    It does not wait for a training, which can take hours: it moves only the alias, and one move at a time is allowed.
    """
    from transferline.registry.rollback import rollback

    root = environment.enter_project()
    params = _params(root)
    move = rollback(params, root, options.reason, options.to)
    print(
        f"champion of {move.model}: version {move.version} again, test {move.figure}, instead of {move.former}",
        flush=True,
    )
    if (root / PAGE).exists():
        _write_page_or_warn(params, root)
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    """`transferline reproduce`: exits with 1 if the results differ."""
    from transferline.registry.reproduce import reproduce

    root = environment.enter_project()
    found = reproduce(_params(root), root, options.version)
    print("\n".join(found.lines))
    return 0 if found.identical else 1


def _params(root: Path) -> "Params":
    from transferline.params import load_params

    return load_params(root / "params.yaml")
