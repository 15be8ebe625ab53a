"""Layouts: how a dataset stores the labels of its images."""
