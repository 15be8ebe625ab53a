"""The command line of the endpoint: `transferline serve`."""

import argparse

from transferline import environment
from transferline.quiet import quiet_imports


def serve(options: argparse.Namespace) -> int:
    """`transferline serve`: until Ctrl-C or SIGTERM."""
    from transferline.params import load_params

    root = environment.enter_project()
    params = load_params(root / "params.yaml")
    with quiet_imports():
        from transferline.serving import server
    server.serve(root, params, options.alias, options.port, options.max_body)
    return 0
