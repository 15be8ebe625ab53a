"""Writes Great Expectations' Data Docs of a validation as one page that loads no other files.

The site that Great Expectations itself writes loads styles, scripts and a picture from other servers, and its file
names contain the time.
"""

import html
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, DictLoader

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>Validation</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; }
h1 { border-bottom: 2px solid #888; margin-top: 2em; }
h5 { font-size: 1.1em; margin: 1.5em 0 .3em; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #ccc; padding: .3em .6em; text-align: left; vertical-align: top; }
td td, td th { font-size: .9em; }
thead[hidden], [id$="-header"]:empty { display: none; }
.show-scrollbars { max-height: 30em; overflow: auto; }
.badge { background: #eee; border-radius: .3em; font-family: monospace; padding: 0 .3em; }
.text-danger { color: #b00020; }
.text-warning { color: #9a6700; }
.text-success { color: #1a7f37; }
.fa-check-circle::before { content: "✓ met"; }
.fa-times::before, .fa-exclamation-triangle::before { content: "✗ not met"; }
a[data-toggle], .collapse { display: none; }
</style>
</head>
<body>
{% for suite in suites %}
<h1>{{ suite.name }}: {{ suite.met }} of {{ suite.all }} expectations met</h1>
{% set sections = suite.sections %}
{% for section in sections %}
{% set section_loop = loop %}
{% include 'section.j2' %}
{% endfor %}
{% endfor %}
</body>
</html>
"""


def write_data_docs(results: Sequence[Any], folder: Path) -> None:
    """Writes `index.html`, which Great Expectations renders from its `results`, into a new `folder`."""
    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([DictLoader({"validation.j2": PAGE}), view.env.loader])
    view.env.filters["generate_html_element_uuid"] = lambda prefix="": f"{prefix}unused"
    page = view.env.get_template("validation.j2").render(suites=[_suite(result) for result in results])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _suite(result: Any) -> dict[str, Any]:
    """Returns the sections of the page without the first one, which contains the time and the version."""
    sections = ValidationResultsPageRenderer().render(result).to_json_dict()["sections"][1:]
    met = sum(one.success for one in result.results)
    return {"name": result.suite_name, "met": met, "all": len(result.results), "sections": _escape(sections)}


def _escape(block: Any) -> Any:
    """Escapes the cells of tables, which contain file names. Great Expectations escapes everything else itself."""
    if isinstance(block, list):
        return [_escape(item) for item in block]
    if not isinstance(block, dict):
        return block
    escaped = {key: _escape(value) for key, value in block.items()}
    if "table" in block:
        escaped["table"] = [
            [html.escape(cell) if isinstance(cell, str) else _escape(cell) for cell in row] for row in block["table"]
        ]
    return escaped
