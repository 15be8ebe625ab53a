"""The metric of each kind of problem that training watches and that promotion compares under corruptions."""

# of each epoch `history.csv` holds it as `<metric>` and `val_<metric>`
METRIC = {
    "binary": "accuracy",
    "multiclass": "accuracy",
    "multilabel": "mean_average_precision",
    "segmentation": "mean_iou",
}
