"""Kinds of problem, one folder each. `training.py` and `evaluation.py` are apart: a new picture retrains nothing."""
