"""Datasets: sources, the manifest and its expectations, splits, views and image reading."""
