"""Training: the bank of frozen features and the loops that learn from it."""
