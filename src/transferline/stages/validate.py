"""Stage `validate`: checks the raw images, and writes a report and, if they pass, the manifest."""

from pathlib import Path

from transferline.datasets.checks.data_docs import write_data_docs
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.checks.validation_report import draw_quarantined, stop_if_failed, summarize, write_report
from transferline.datasets.tables import write_table
from transferline.datasets.tested_images import former_test_images
from transferline.datasets.unchanged_files import unchanged_files
from transferline.params import Params
from transferline.progress import say


def run(
    params: Params, *, raw: Path, corrections: Path, manifest: Path, report: Path, docs: Path, quarantined: Path
) -> None:
    """Validates the dataset in `raw` with its file in the folder `corrections`.

    It writes the manifest only if the data is accepted for training.

    Raises:
        TransferlineError: the data is not accepted, or a file was added, changed or deleted during the validation.
    """
    manifest.unlink(missing_ok=True)
    former = former_test_images(Path.cwd())
    file = corrections / f"{params.data.dataset}.csv"
    with unchanged_files(raw, file):  # DVC records what is there after the stage
        validation = validate_dataset(raw, params.data, params.validate_, former, params.compute, file)
        write_report(validation, report)
        write_data_docs(validation.results, docs)
        draw_quarantined(validation, raw, quarantined)
        say(summarize(validation))
    stop_if_failed(validation, raw, report)
    write_table(validation.table, manifest)
