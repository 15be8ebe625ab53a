"""What a task's page in Prefect shows: findings, epochs, leaderboard, decision, links."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from transferline.paths import DATA_DOCS, LEADERBOARD, PAGE, VALIDATION_REPORT

EPOCH = re.compile(r"\bepoch (\d+) of (\d+)\b(.*)")
ROWS = 200


class EpochProgress:
    """A progress bar on the task's page. It reads the epochs from the output of a training."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None

    def hear(self, line: str) -> None:
        """Updates the bar if the line reports an epoch. The first such line creates the bar."""
        if not (epoch := EPOCH.search(line)):
            return
        percent = 100 * int(epoch[1]) / int(epoch[2])
        text = f"epoch {epoch[1]} of {epoch[2]}{epoch[3]}"
        if self._artifact is None:
            self._artifact = create_progress_artifact(percent, description=text)
        else:
            update_progress_artifact(self._artifact, percent, description=text)


def show_stage(name: str, root: Path) -> None:
    """Shows the report of a stage on the task's page, if the stage has one and has written it."""
    path, show = PAGES.get(name, (None, None))
    if path and show and (root / path).is_file():
        show(root)


def show_decision(decision: dict[str, Any], root: Path, tracking_uri: str) -> None:
    """Shows where the page of the retraining is, the decision, every gate, and the address of MLflow's server."""
    verdict = "promoted" if decision["promoted"] else "not promoted"
    rows = [f"| {gate['gate']} | {gate['verdict']} | {gate['why']} |" for gate in decision["gates"]]
    table = ["", "| gate | verdict | why |", "|---|---|---|", *rows] if rows else []
    page = (root / PAGE).resolve()  # no link: browsers open no file from a page of a server
    lines = [
        f"# Version {decision['version']}: {verdict}",
        "",
        f"The page of this retraining: `{page}`",
        "",
        decision["reason"],
        *table,
    ]
    has_server = tracking_uri.startswith("http")
    where = "" if has_server else "; `transferline ui` serves MLflow's page with the runs and the registry"
    create_markdown_artifact("\n".join(lines), key="decision", description=f"the decision, and why{where}")
    if has_server:
        runs = f"{tracking_uri}/#/experiments?workflowType=machine_learning"  # the default is for language models
        create_link_artifact(runs, "MLflow", key="mlflow", description="runs and registry")


def _show_findings(root: Path) -> None:
    report = json.loads((root / VALIDATION_REPORT).read_text(encoding="utf-8"))
    rows = [
        {key: finding.get(key, "") for key in ("severity", "rule", "path", "detail")} for finding in report["findings"]
    ]
    rest = f"; the first {ROWS} of {len(rows)} findings" if len(rows) > ROWS else ""
    verdict = "fit for training" if report["success"] else "not fit for training: " + "; ".join(report["reasons"])
    files = f"{VALIDATION_REPORT}; as pages of Great Expectations: {root / DATA_DOCS}"
    create_table_artifact(rows[:ROWS], key="findings", description=f"{verdict}{rest} ({files})")


def _show_leaderboard(root: Path) -> None:
    text = (root / LEADERBOARD).read_text(encoding="utf-8")
    create_markdown_artifact(text, key="leaderboard", description=str(LEADERBOARD))


PAGES: dict[str, tuple[Path, Callable[[Path], None]]] = {
    "validate": (VALIDATION_REPORT, _show_findings),
    "select": (LEADERBOARD, _show_leaderboard),
}
