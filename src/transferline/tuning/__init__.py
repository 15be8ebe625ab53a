"""`transferline tune`: searches the settings of a candidate on validation images."""
