"""Kinds of problem: a folder each, with `training.py` and `evaluation.py`, so that a new picture retrains nothing."""
