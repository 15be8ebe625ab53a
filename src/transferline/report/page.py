"""Renders the page: the sections in their order, each from files, in one HTML file that needs nothing else."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from transferline.atomic_files import write_text
from transferline.errors import TransferlineError
from transferline.not_applicable import NotApplicableError
from transferline.params import Params
from transferline.paths import PAGE
from transferline.problems.metric_choice import check_metrics
from transferline.project_files import installed_version
from transferline.registry.tracking import connect
from transferline.registry.version_pages import REPORT_ARTIFACTS
from transferline.report.blocks import Block
from transferline.report.candidates import candidates
from transferline.report.data import data
from transferline.report.insight_sections import doubtful_labels, more_images, novelty, weak_slices
from transferline.report.origins import champions, lineage
from transferline.report.quality import calibration, confusion, mistakes, robustness
from transferline.report.report_inputs import ReportInputs
from transferline.report.verdict import TONES, facts, gates, verdict, verdict_sentence
from transferline.text import reason_of

SECTIONS: dict[str, Callable[[ReportInputs], Sequence[Block]]] = {
    "Decision": verdict,
    "Data": data,
    "Candidates": candidates,
    "Classes": confusion,
    "Mistakes": mistakes,
    "Doubtful labels": doubtful_labels,
    "Calibration and rejection": calibration,
    "Unlike the training images": novelty,
    "Robustness": robustness,
    "Weak slices": weak_slices,
    "What more images would bring": more_images,
    "Gates": gates,
    "Lineage": lineage,
    "Champions so far": champions,
}


@dataclass(frozen=True)
class Section:
    """A section: its title, and its blocks or the reason why it has none."""

    title: str
    blocks: Sequence[Block] = ()
    reason: str = ""

    @property
    def key(self) -> str:
        """The anchor of the section."""
        return self.title.lower().replace(" ", "-")


def write_page(params: Params, root: Path) -> Path:
    """Renders `reports/index.html` from the files of the project; returns its path.

    A section whose files are missing says so in one line.

    Raises:
        TransferlineError: no model is selected, its evaluation is missing, or the params do not fit the selected model.
    """
    check_metrics(params)
    inputs = ReportInputs(params, root)
    environment = Environment(
        loader=PackageLoader("transferline.report"), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    environment.filters["with_code"] = _with_code
    sentence, tone = verdict_sentence(inputs)
    text = environment.get_template("page.html").render(
        model=params.promote.model_name,
        dataset=params.data.dataset,
        verdict=sentence,
        tone=tone,
        facts=facts(inputs),
        sections=[_section(title, show, inputs) for title, show in SECTIONS.items()],
        tones=TONES,
        version=installed_version(),
        time=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
    )
    write_text(root / PAGE, text)
    return root / PAGE


def _with_code(text: str) -> Markup:
    """Returns HTML in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _section(title: str, show: Callable[[ReportInputs], Sequence[Block]], inputs: ReportInputs) -> Section:
    try:
        return Section(title, show(inputs))
    except (NotApplicableError, TransferlineError) as reason:
        return Section(title, reason=str(reason).rstrip("."))
    except FileNotFoundError as error:
        return Section(title, reason=f"a file is missing: {reason_of(error)}")


def log_page(params: Params, root: Path, version: str, page: Path) -> None:
    """Adds the page to the MLflow run of a version, whose description links to it."""
    client = connect(params.record, root)
    run = client.get_model_version(params.promote.model_name, version).run_id
    client.log_artifact(str(run), str(page), REPORT_ARTIFACTS)
