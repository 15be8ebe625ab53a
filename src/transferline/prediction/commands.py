"""What the command predict does."""

import argparse
import json
import sys
from dataclasses import asdict

from transferline.errors import TransferlineError


def predict(options: argparse.Namespace) -> int:
    """`transferline predict`: prints or writes the answers; exits with 1 if a file cannot be read."""
    from transferline.prediction.grid import draw_grid
    from transferline.prediction.model import open_model
    from transferline.prediction.output import as_text, write_csv, write_submission
    from transferline.prediction.predict import find_images, predict

    writers = {write_csv: options.csv, write_submission: options.submission, draw_grid: options.grid}
    targets = {write: path.resolve() for write, path in writers.items() if path}
    paths = [path.resolve() for path in find_images(options.paths)]
    card, model = open_model(options.model)
    found = list(predict(card, model, paths))
    for write, path in targets.items():
        try:
            write(found, card, path)
        except OSError as error:
            raise TransferlineError(f"{path} cannot be written: {error.strerror}") from error
    if options.json:
        print(json.dumps([asdict(prediction) for prediction in found], indent=2))
    else:
        print(f"written: {', '.join(map(str, targets.values()))}" if targets else as_text(found, card))
    unreadable = [prediction.error for prediction in found if prediction.error]
    for reason in unreadable:
        print(f"error: {reason}", file=sys.stderr)
    return 1 if unreadable else 0
