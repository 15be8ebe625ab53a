"""Prefect tasks: one that runs a DVC stage, and one for promotion."""
