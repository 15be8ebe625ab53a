"""The endpoint: a registered model behind MLflow's scoring server."""
