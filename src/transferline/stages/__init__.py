"""The DVC stages: one thin module each, that reads, calls one library function and writes."""
