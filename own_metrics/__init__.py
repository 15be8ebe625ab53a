"""Metrics of your own: functions in a Python file of this folder that rate predictions.

`params.yaml` lists them by import path, such as `own_metrics.example:brier_score` for the function `brier_score` of
`own_metrics/example.py`, and may then select by that name:

    evaluate:
      metrics:
        - {function: own_metrics.example:brier_score, best: lowest}
    select: {metric: brier_score}

A metric is `def f(truth: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> float`:

- `truth`: bool (n, classes), which classes each image has: one in binary and multiclass problems, any number in
  multilabel ones. A class of the image that the model's dataset does not have is left out.
- `probabilities`: float64 (n, classes), 0 to 1, in the same order; two columns in binary problems.
- `classes`: their names.

It returns a number, NaN where it is not defined. It is called for validation and for test, and again for each of
`evaluate.bootstrap` resamples of the images, from which its interval follows: a slow function makes a slow evaluation.
It is computed, recorded and compared like the other metrics; segmentation has none of your own. A file stands for
itself: it imports packages, but no other file of this folder. Editing it runs `evaluate` and `select` again.
"""
