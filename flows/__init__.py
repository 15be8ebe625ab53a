"""Prefect flows, which run the stages, by hand or on a schedule."""
