"""The recipes that come with transferline. `transferline use NAME` finds them here."""
