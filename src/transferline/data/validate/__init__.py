"""What `validate` does: layouts, the scan of every file, expectations, duplicates, splits and its report."""
