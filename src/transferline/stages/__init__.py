"""The DVC stages, one thin module each: it reads, calls one library function and writes."""
