"""The command `transferline serve`."""

import argparse

from transferline import environment
from transferline.cli.arguments import Commands, add_command, port, positive_number
from transferline.quiet import quiet_imports


def add_commands(commands: Commands) -> None:
    """Adds the command of this group."""
    serve = add_command(commands, "serve", _serve, "predict over HTTP with the champion, on 127.0.0.1", "--port 8080")
    serve.add_argument("--alias", default="champion", help="an alias or a version's number; champion by default")
    serve.add_argument("--port", type=port, default=8080, help="8080 by default; 0 takes a free one")
    serve.add_argument(
        "--max-body",
        type=positive_number,
        default=32,
        metavar="MIB",
        help="32 by default; a larger request gets the status 413",
    )


def _serve(options: argparse.Namespace) -> int:
    """`transferline serve`: serves until Ctrl-C or SIGTERM."""
    from transferline.params import load_params

    root = environment.enter_project()
    params = load_params(root / "params.yaml")
    with quiet_imports():
        from transferline.serving import server
    server.serve_model(root, params, options.alias, options.port, options.max_body)
    return 0
