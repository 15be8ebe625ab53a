"""MLflow: runs, registered models and promotion."""
