"""What is up to date, what would run and why, and who is champion."""

from pathlib import Path

from transferline.params import Params, load_params
from transferline.pipeline import changed, stages
from transferline.registry.ledger import latest
from transferline.registry.models import CHAMPION, version_by_alias
from transferline.registry.tracking import connect


def status(root: Path) -> str:
    """The answer in lines.

    Raises:
        TransferlineError: the params are faulty, or DVC or MLflow does not answer.
    """
    params = load_params(root / "params.yaml")
    reasons = changed(root)
    names = stages(root)
    width = max(map(len, names))
    lines = [f"{name:<{width}}  {'; '.join(reasons[name]) if name in reasons else 'up to date'}" for name in names]
    would = (
        f"`transferline run` would run {len(reasons)} of {len(names)} stages" if reasons else "everything is up to date"
    )
    return "\n".join([*lines, "", would, _champion(params, root)])


def _champion(params: Params, root: Path) -> str:
    name = params.promote.model_name
    version = version_by_alias(connect(params.record, root), name, CHAMPION)
    if version is None:
        return f"champion of {name}: none yet"
    named = f"champion of {name}: version {version.version} ({version.tags['candidate']}, {version.tags['phase']})"
    move = latest(root, name, str(version.version))
    return f"{named}, test {move.figure}, since {move.time} ({move.kind} by {move.who})" if move else named
