"""The endpoint: a registered model behind HTTP, with the protocol of MLflow's scoring server."""
