"""The files of a model's folder beside `model.keras` and `card.json`."""

HEAD_FILE = "head.keras"
HISTORY_FILE = "history.csv"
SUMMARY_FILE = "summary.json"
PARITY_FILE = "parity.npz"
CURVES_FILE = "curves.png"
