"""Finds the models that `transferline explain` explains, with the features of their training images."""

import json
from collections.abc import Mapping
from pathlib import Path

from transferline import environment
from transferline.errors import TransferlineError
from transferline.insight.explanation import ExplainedModel
from transferline.insight.heat_maps import heat_maps
from transferline.insight.insight_table import IMAGES_FILE, read_insight_table
from transferline.params import load_params
from transferline.params.problem_kinds import KINDS
from transferline.paths import INSIGHT, RAW, require_outputs
from transferline.prediction.named_model import IMAGENET, NamedModel, insight_of_model, model_folder, open_model

NO_FEATURES = "not known: the model has no vector before its last layer"
OLD_VERSION = "not known: the version was registered without its features; a version that is promoted now keeps them"
NO_INSIGHT = "not known: the stage insight has not run for this model; `transferline run` runs it"
NOT_OURS = "not known: the model does not come from a project"


def explained_model(name: str, start: Path) -> ExplainedModel:
    """Loads a model by its name, see `open_model`.

    Args:
        name: as for `transferline predict --model`.
        start: a folder in the project of the registry.

    Raises:
        TransferlineError: see `open_model`; or the model predicts masks.
    """
    if name.startswith(IMAGENET):
        return _explained(open_model(name), None, None, NOT_OURS, None, {})
    if (folder := model_folder(name)) is None:
        return _registered(name, start)
    named = open_model(name)
    try:
        root = environment.project_root(folder)
    except TransferlineError:
        return _explained(named, folder, None, NOT_OURS, None, {})
    raw = root / RAW / load_params(root / "params.yaml").data.dataset
    if insight := insight_of_model(folder):
        require_outputs(insight / IMAGES_FILE)
    return _explained(named, folder, insight, NO_INSIGHT, raw, {})


def _registered(name: str, start: Path) -> ExplainedModel:
    from transferline.registry.registered_models import fetch_version, version_named  # MLflow takes seconds to import
    from transferline.registry.tracking import connect

    root = environment.project_root(start.resolve())
    environment.prepare(root)
    params = load_params(root / "params.yaml")
    version = version_named(connect(params.record, root), params.promote.model_name, name)
    folder = fetch_version(version, root)
    card, model, _ = open_model(str(folder))
    named = NamedModel(card, model, f"{version.name} version {version.version}")
    insight, raw = folder / INSIGHT.name, root / RAW / version.tags.get("dataset", params.data.dataset)
    return _explained(named, folder, insight if insight.exists() else None, OLD_VERSION, raw, version.tags)


def _explained(
    named: NamedModel,
    folder: Path | None,
    insight: Path | None,
    why_not: str,
    raw: Path | None,
    tags: Mapping[str, str],
) -> ExplainedModel:
    """Returns the model with the table in `insight`; without one, `why_not` is the reason. `tags` are the version's."""
    card, model, name = named
    if KINDS[card.problem].has_masks:
        raise TransferlineError(
            f"{name} is a segmentation model: its prediction is a class for each pixel, and explain explains labels of "
            "whole images. `transferline predict --masks DIR` draws the predicted masks over the images"
        )
    table = read_insight_table(insight) if insight else None
    known = table is not None and table.features is not None
    missing = "" if known else NO_FEATURES if table else why_not
    images = json.loads(tags.get("images_by_class", "{}"))
    heat = heat_maps(card, model, folder)
    return ExplainedModel(card, model, name, heat, table if known else None, missing, raw, origin_of(tags), images)


def origin_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Returns what a version's tags tell about its data and its code, in words by name; unknown values are left out."""
    if not tags:
        return {}
    images = f", {int(tags['images']):,} images" if "images" in tags else ""
    changed = ", with changes that were not committed" if "git_changed" in tags else ""
    origin = {"data": f"{tags.get('dataset', 'unknown')} at revision {tags.get('data_revision', 'unknown')}{images}"}
    if "corrections_revision" in tags:
        origin["corrections"] = f"revision {tags['corrections_revision']}"
    return origin | {"commit": tags.get("git_commit", "unknown") + changed}
