"""What `evaluate` does: scores, robustness, latency and pictures of one exported model."""
