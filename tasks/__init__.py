"""Prefect tasks: one DVC stage, one promotion."""
