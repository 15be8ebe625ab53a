"""Metrics, and the intervals around them."""
