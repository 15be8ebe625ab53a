"""Explanations as a page that needs no other file: all pictures are in it."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment

from transferline.atomic_files import write_text
from transferline.insight.explanation import ExplainedModel, Explanation
from transferline.insight.explanation_pictures import heat_picture, inline, neighbour_picture
from transferline.insight.explanation_text import changes_in_words, class_in_words, labels_in_words, peak_in_words
from transferline.problems.label_output import novelty_in_words
from transferline.problems.predicted_files import writing
from transferline.text import printable

LISTED = 5  # classes in the table of probabilities

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --bar: #2f6fb5; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em;
  overflow-wrap: anywhere; }
h1, h2 { line-height: 1.25; }
h2 { border-top: 1px solid var(--line); padding-top: 1em; }
.models { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22em, 100%), 1fr)); gap: 1em 2em; }
.row { display: flex; flex-wrap: wrap; gap: 1em; }
figure { margin: 0; max-width: 100%; }
figure.large { width: 15em; } figure.small { width: 6.5em; }
figcaption { font-size: .85em; }
img { width: 100%; height: auto; display: block; border-radius: 4px; }
.none { background: var(--soft); border-radius: 4px; font-size: .85em; padding: 1em .5em; }
table { border-collapse: collapse; width: 100%; max-width: 30em; }
td, th { text-align: left; padding: .2em .6em .2em 0; vertical-align: top; }
td.share { width: 40%; }
.bar { background: var(--bar); height: .8em; margin-top: .35em; border-radius: 2px; }
.changed { background: var(--soft); padding: .5em 1em; border-radius: 4px; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for image in images %}
<section>
<h2>{{ image.path }}</h2>
{% if image.changed %}<p class="changed">Changed: {{ image.changed }}</p>{% endif %}
<div class="models">
{% for model in image.models %}
<div>
{% if image.models|length > 1 %}<h3>{{ model.name }}</h3>{% endif %}
<p><strong>{{ model.labels }}</strong>{% if model.novelty %}<br>The image is {{ model.novelty }}.{% endif %}</p>
<table>
{% for name, value in model.probabilities %}
<tr><td>{{ name }}</td><td>{{ "%.4f"|format(value) }}</td>
<td class="share"><div class="bar" style="width: {{ "%.1f"|format(100 * value) }}%"></div></td></tr>
{% endfor %}
</table>
{% for each in model.classes %}
<h3>{{ each.title }}</h3>
<div class="row">
{% if loop.first %}<figure class="large"><img src="{{ model.picture }}" alt="{{ image.path }}, as the model gets it">
<figcaption>the image as the model gets it</figcaption></figure>{% endif %}
<figure class="large"><img src="{{ each.heat }}" alt="heat map of {{ each.name }}: {{ each.peak }}">
<figcaption>{{ each.name }}: {{ each.peak }}</figcaption></figure>
</div>
{% if each.neighbours %}
<p>The nearest training images of {{ each.name }}:</p>
<div class="row">
{% for one in each.neighbours %}
<figure class="small">
{% if one.picture %}<img src="{{ one.picture }}" alt="training image {{ one.path }} with label {{ one.label }}">
{% else %}<div class="none">the file is missing or has changed</div>{% endif %}
<figcaption>{{ one.path }}<br>similarity {{ "%.3f"|format(one.similarity) }}</figcaption>
</figure>
{% endfor %}
</div>
{% endif %}
{% endfor %}
</div>
{% endfor %}
</div>
</section>
{% endfor %}
<section>
<h2>{{ "The models" if models|length > 1 else "The model" }}</h2>
<div class="models">
{% for model in models %}
<div>
<h3>{{ model.name }}</h3>
<table>
<tr><th>candidate</th><td>{{ model.card.candidate }}, {{ model.card.phase }}</td></tr>
{% for name, value in model.origin.items() %}<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}
<tr><th>heat map</th><td>{{ model.heat_maps.method }}</td></tr>
{% if model.missing %}<tr><th>nearest training images</th><td>{{ model.missing }}</td></tr>{% endif %}
</table>
</div>
{% endfor %}
</div>
{% if classes %}
<h3>Images of each class</h3>
<table>
<tr><th>class</th>{% for model in models %}<th>{{ model.name }}</th>{% endfor %}</tr>
{% for name in classes %}<tr><td>{{ name }}</td>
{% for model in models %}<td>{{ model.images_by_class.get(name, 0) }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% endif %}
</section>
</body>
</html>
"""


def write_page(models: Sequence[ExplainedModel], found: Sequence[Sequence[Explanation]], path: Path) -> None:
    """Writes the page.

    Args:
        models: one model, or the earlier and the later one.
        found: for each image the explanation of each model.
        path: the page.

    Raises:
        TransferlineError: the page cannot be written.
    """
    names = " and ".join(model.name for model in models)
    text = (
        Environment(autoescape=True)
        .from_string(PAGE)
        .render(
            title=f"Why {names} predict{'s' if len(models) == 1 else ''} this",
            images=[_image(explanations, models) for explanations in found],
            models=models,
            classes=dict.fromkeys(name for model in models for name in model.images_by_class),
        )
    )
    with writing(path):
        write_text(path, text)


def _image(explanations: Sequence[Explanation], models: Sequence[ExplainedModel]) -> dict[str, Any]:
    """Returns the part of the page about one image."""
    return {
        "path": printable(explanations[0].prediction.path),
        "changed": changes_in_words(*explanations) if len(explanations) > 1 else "",
        "models": [_of_model(*pair) for pair in zip(explanations, models, strict=True)],
    }


def _of_model(explanation: Explanation, model: ExplainedModel) -> dict[str, Any]:
    """Returns what the page shows about one image and one model."""
    return {
        "name": model.name,
        "labels": labels_in_words(explanation),
        "novelty": novelty_in_words(explanation.prediction),
        "probabilities": list(islice(explanation.probabilities.items(), LISTED)),
        "picture": inline(explanation.picture),
        "classes": [
            {
                "name": reasons.name,
                "title": class_in_words(reasons),
                "peak": peak_in_words(reasons),
                "heat": inline(heat_picture(explanation.picture, reasons.heat)),
                "neighbours": [
                    {
                        "path": printable(one.path),
                        "label": one.label,
                        "similarity": one.similarity,
                        "picture": neighbour_picture(model, one),
                    }
                    for one in reasons.neighbours
                ],
            }
            for reasons in explanation.classes
        ],
    }
