"""The bank: the frozen part folded, compiled and run once, and what it says of every view."""
