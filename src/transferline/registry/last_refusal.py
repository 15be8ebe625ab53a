"""The last decision not to promote. While nothing that it depends on changes, no model is evaluated again."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from transferline.atomic_files import write_json
from transferline.code_versions import followed, source_sha256
from transferline.hashes import file_sha256
from transferline.params import Params

FILE = Path(".transferline/decided.json")


def basis(params: Params, files: Iterable[Path], champion: tuple[str, Mapping[str, str]] | None) -> str:
    """Returns a sha256 over everything that a decision depends on.

    Args:
        params: the gates, and the settings of the evaluation.
        files: the challenger's model and evaluation, the manifest, the validation report.
        champion: version and tags.
    """
    sections = [each.model_dump_json() for each in (params.data, params.evaluate, params.select, params.promote)]
    limits = params.validate_.min_images, params.validate_.near_duplicate_bits  # of the gate on unseen images
    of_champion = champion and (champion[0], champion[1].get("model_sha256"))
    digest = hashlib.sha256(repr([*sections, limits, of_champion]).encode())
    for file in files:
        digest.update(file_sha256(file).encode())
    digest.update(source_sha256(followed("transferline.registry.promotion").values()).encode())
    return digest.hexdigest()


def kept_refusal(root: Path, basis: str) -> tuple[str | None, str] | None:
    """Returns version and reason of the last decision not to promote, if it had the same basis."""
    file = root / FILE
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return (kept["version"], kept["reason"]) if kept["basis"] == basis else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # a damaged file only makes promotion decide again
        return None


def keep_refusal(root: Path, basis: str, version: str | None, reason: str) -> None:
    """Stores a decision and replaces the one before."""
    write_json(root / FILE, {"basis": basis, "version": version, "reason": reason})
