"""The files of a model's folder beside `model.keras` and `card.json`."""

HEAD_FILE = "head.keras"
HISTORY_FILE = "history.csv"
SUMMARY_FILE = "summary.json"
PARITY_FILE = "parity.npz"
CURVES_FILE = "curves.png"

# what history.csv holds of each epoch beside the loss, as `<metric>` and `val_<metric>`
METRIC = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "mean_average_precision",
    "segmentation": "mean_iou",
}
