"""The files that the page is rendered from. A section that needs a missing file is not applicable."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.evaluation.ranking import EvaluatedModel, ranking, read_evaluations
from transferline.hashes import file_sha256
from transferline.insight.insight_table import InsightTable, described_model, read_insight_table
from transferline.models.exported import LITE_FILE, MODEL_FILE, ModelCard, read_card
from transferline.not_applicable import NotApplicableError
from transferline.params import Params
from transferline.paths import (
    CODE,
    DECISION,
    EVALUATIONS,
    INSIGHT,
    MANIFEST,
    MODELS,
    RAW,
    VALIDATION_REPORT,
    require_outputs,
)
from transferline.problems.metric_choice import metric_table
from transferline.registry.known_moves import known_moves
from transferline.registry.ledger import Move, moves_of
from transferline.registry.promotion import selected_model
from transferline.registry.recording import LATENCY_FILE, METRICS_FILE


@dataclass(frozen=True)
class ReportInputs:
    """The project as the last stages and the last promotion left it.

    Attributes:
        params: the params.
        root: the project's folder.
    """

    params: Params
    root: Path

    @property
    def raw(self) -> Path:
        """The folder of the images."""
        return self.root / RAW / self.params.data.dataset

    @property
    def metric(self) -> str:
        """The metric of selection and promotion."""
        return self.params.select.metric

    @cached_property
    def ranked(self) -> list[EvaluatedModel]:
        """All evaluated models, the selected one first.

        Raises:
            TransferlineError: no model is selected, its evaluation is missing, or the params do not name its candidate.
        """
        folder, chosen = self.root / EVALUATIONS, selected_model(self.params, self.root)[1]
        require_outputs(chosen / METRICS_FILE, chosen / LATENCY_FILE)  # else another model would be shown as selected
        there = [name for name in self.params.candidates if (folder / name).is_dir()]
        entries = read_evaluations(folder, there or self.params.candidates)
        is_loss = metric_table(entries[0].metrics["problem"], self.params.evaluate)[self.metric].is_loss
        ranked = ranking(entries, self.metric, is_loss)
        return sorted(ranked, key=lambda entry: entry.folder != chosen)

    @property
    def selected(self) -> EvaluatedModel:
        """The selected model."""
        return self.ranked[0]

    @property
    def split(self) -> str:
        """The split that the page shows predictions of: test if there is one."""
        return "test" if "test" in self.selected.metrics else "validation"

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the selected model on `split`."""
        found: dict[str, Any] = self.selected.metrics[self.split]
        return found

    @cached_property
    def card(self) -> ModelCard:
        """The card of the selected model."""
        return read_card(self.model_folder)

    @property
    def model_folder(self) -> Path:
        """The folder of the selected model."""
        return self.root / MODELS / self.selected.candidate / self.selected.phase

    @cached_property
    def model_sha256(self) -> str:
        """The sha256 of the selected model; empty if its file is missing."""
        file = self.model_folder / MODEL_FILE
        return file_sha256(file) if file.is_file() else ""

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The predictions of the selected model for the images of `split`."""
        file = self.selected.folder / "predictions.parquet"
        if not file.is_file():
            raise NotApplicableError(f"{file.relative_to(self.root)} is missing")
        rows = pd.read_parquet(file)
        return rows[rows["split"] == self.split].reset_index(drop=True)

    @cached_property
    def manifest(self) -> ImageTable:
        """The manifest."""
        if not (self.root / MANIFEST).is_file():
            raise NotApplicableError(f"{MANIFEST} is missing")
        return read_table(self.root / MANIFEST)

    @cached_property
    def validation(self) -> dict[str, Any]:
        """The report of `validate`."""
        return self.read_json(VALIDATION_REPORT)

    @cached_property
    def decision(self) -> dict[str, Any] | None:
        """The last decision of promotion, if it is about the selected model."""
        if not (self.root / DECISION).is_file() or not self.model_sha256:
            return None
        found = self.read_json(DECISION)
        return found if found.get("model_sha256") == self.model_sha256 else None

    @property
    def moves(self) -> list[Move]:
        """The moves of the alias champion, the latest first."""
        return self._moves_and_warning[0]

    @property
    def warning(self) -> str:
        """Why only the moves of this project are known; empty if all are known."""
        return self._moves_and_warning[1]

    @cached_property
    def _moves_and_warning(self) -> tuple[list[Move], str]:
        name = self.params.promote.model_name
        try:
            return known_moves(self.params.record, self.root, name)[::-1], ""
        except TransferlineError as error:  # the page is rendered without a server, too
            warning = f"the moves of the champion by other projects are missing on this page: {error}"
            return moves_of(self.root, name)[::-1], warning

    @property
    def own_moves(self) -> list[Move]:
        """Those moves that made the selected model the champion, the latest first."""
        return [move for move in self.moves if move.model_sha256 and move.model_sha256 == self.model_sha256]

    @cached_property
    def code(self) -> dict[str, dict[str, str]]:
        """For each stage `source`, the hash of its code, and the versions of its libraries."""
        return self.read_json(CODE) if (self.root / CODE).is_file() else {}

    def insight(self, question: str) -> Path:
        """Returns the folder of what the stage `insight` found about the selected model.

        Raises:
            NotApplicableError: the stage has not run for this model, or has no answer to the question.
        """
        folder, lite = self.root / INSIGHT / self.selected.candidate, self.model_folder / LITE_FILE
        if not lite.is_file() or described_model(folder) != file_sha256(lite):
            raise NotApplicableError("the stage insight has not run for the selected model; `transferline run` runs it")
        if reason := self.read_json(folder / "insight.json")["not_applicable"].get(question):
            raise NotApplicableError(reason)
        return folder

    @cached_property
    def insight_table(self) -> InsightTable:
        """The predictions and features of the selected model for all images."""
        return read_insight_table(self.insight(""))

    def read_json(self, path: Path) -> dict[str, Any]:
        """Returns the content of a JSON file, relative to the project's folder.

        Raises:
            NotApplicableError: the file is missing.
        """
        if not (self.root / path).is_file():
            raise NotApplicableError(f"{path} is missing")
        tree: dict[str, Any] = json.loads((self.root / path).read_text(encoding="utf-8"))
        return tree
