"""Answers for image files, and what shows them."""
