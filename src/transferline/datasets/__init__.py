"""Datasets: where they come from, what is in them, and whether they may be trained on."""
