"""Training: the bank of frozen features, and the training loops that read it."""
