"""Writes docs/params.md and docs/cli.md from the code: `make docs`. A test compares them."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from transferline.cli.arguments import INTERNAL
from transferline.cli.main import parser
from transferline.params.allowed import Node, allowed, kind_of, schema, sections_in
from transferline.params.job_defaults import NAMES_IN_MLFLOW, job_defaults
from transferline.params.write import flow

DOCS = Path(__file__).parent
HEADS = {
    "params.md": "Every key of `params.yaml`. `make docs` writes this page from the code. `transferline params KEY`\n"
    "also prints the value in force.",
    "cli.md": "Every command with its options. `make docs` writes this page from the code.",
}
BY_JOB = {
    **dict.fromkeys(job_defaults("", ""), "depends on the kind of problem"),
    **dict.fromkeys(NAMES_IN_MLFLOW, "the name of the project"),
}


def params_page() -> str:
    """Returns the page about `params.yaml`: a table for each section."""
    lines = ["# params.yaml", "", HEADS["params.md"]]
    for name, node in schema()["properties"].items():
        lines += [
            "",
            f"## {name}",
            "",
            f"{_sentence(node)}",
            "",
            "| key | meaning | allowed | default |",
            "|---|---|---|---|",
        ]
        rows = dict.fromkeys(_rows(name, node))
        is_row = not rows or "null" in allowed(node)
        lines += [_row(name, node, "")] * is_row + list(rows)
    return "\n".join(lines) + "\n"


def _sentence(node: Node) -> str:
    text = str(node["description"])
    return f"{text[0].upper()}{text[1:]}."


def _rows(path: str, node: Node, outer: str = "") -> Iterator[str]:
    """Yields a row for each key below a section; `outer` is the kind of the sections around it."""
    for section in sections_in(node):
        kind = ", ".join(filter(None, (outer, kind_of(section))))
        for name, inner in section["properties"].items():
            yield _row(f"{path}.{name}", inner, kind)
            if name != "layers":
                yield from _rows(f"{path}.{name}", inner, kind)


def _row(path: str, node: Node, kind: str) -> str:
    default = flow(node["default"]) if "default" in node else BY_JOB.get(path, "required")
    cells = (f"`{path}`{f' with {kind}' if kind else ''}", str(node["description"]), _values(node), default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(node: Node) -> str:
    """Returns the allowed values in one line."""
    return "; ".join(allowed(node)).replace("one of:; ", "one of: ")


def cli_page() -> str:
    """Returns the page about the command line: the help text of each command."""
    lines = ["# The command line", "", HEADS["cli.md"]]
    whole = parser()
    for command in (whole, *_commands(whole)):
        lines += ["", f"## {command.prog}", "", "```text", command.format_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(above: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for name, command in above.get_default("commands").choices.items():
        if command.get_default("commands"):
            yield from _commands(command)
        elif name not in INTERNAL:
            yield command


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"  # the width of help texts
    (DOCS / "params.md").write_text(params_page(), encoding="utf-8")
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
