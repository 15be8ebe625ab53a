"""The prediction of masks for image files."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.problems.predicted_files import PredictedFiles, printable_row, require_no_photographs, writing
from transferline.problems.segmentation.mask_files import (
    Writer,
    files_of_mask,
    require_names,
    segment,
    shares_as_text,
    write_shares,
)
from transferline.text import printable


class MaskPrediction:
    """See `PredictionOfKind`."""

    outputs = ("csv", "masks", "rle")

    def predict(
        self, card: ModelCard, model: LiteModel, paths: Sequence[Path], outputs: Mapping[str, Path], name: str
    ) -> PredictedFiles:
        """See `PredictionOfKind`. Each mask is written before the next one is predicted."""
        folder, rle, table = (outputs.get(name) for name in ("masks", "rle", "csv"))
        if folder or rle:
            require_names(paths)
        if folder:
            require_no_photographs((file for path in paths for file in files_of_mask(folder, path)), paths)
        with contextlib.ExitStack() as stack:
            if rle:
                stack.enter_context(writing(rle))
                rle.parent.mkdir(parents=True, exist_ok=True)
            rows = stack.enter_context(rle.open("w", encoding="utf-8", newline="")) if rle else None
            with writing(folder or Path()):
                found = list(segment(card, model, paths, Writer(card, folder, rows)))
        if table:
            with writing(table):
                write_shares(found, card, table, name)
        return PredictedFiles(printable(shares_as_text(found)), [printable_row(asdict(one)) for one in found])
