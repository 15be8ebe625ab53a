"""Metrics of your own: functions in a Python file of this folder that rate predictions.

`params.yaml` lists them by import path, such as `own_metrics.example:brier_score` for the function `brier_score` of
`own_metrics/example.py`. `select.metric` can then name the function:

    evaluate:
      metrics:
        - {function: own_metrics.example:brier_score, best: lowest}
    select: {metric: brier_score}

A metric is `def f(truth: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> float`:

- `truth`: bool (n, classes), the classes of each image: one in binary and multiclass problems, any number in
  multilabel problems. A class that the dataset does not have is left out.
- `probabilities`: float64 (n, classes), 0 to 1, in the same order; two columns in binary problems.
- `classes`: their names.

It returns a number, or NaN where it is not defined. It is called for validation and for test, and again for each of
the `evaluate.bootstrap` resamples that give its interval: a slow function makes the evaluation slow. It is computed,
recorded and compared like the other metrics. A segmentation cannot have metrics of your own. A file may import
packages, but no other file of this folder. After you edit it, `evaluate`, `insight` and `select` run again.
"""
