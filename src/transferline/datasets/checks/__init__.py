"""The validation of a dataset."""
