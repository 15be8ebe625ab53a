"""Layouts: how a dataset says which label an image has."""
