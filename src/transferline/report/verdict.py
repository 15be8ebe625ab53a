"""The sections about the decision: the verdict in one sentence, and the gates."""

from typing import Any

from transferline.not_applicable import NotApplicableError
from transferline.params.problem_kinds import KINDS
from transferline.paths import DECISION
from transferline.registry.decision_files import DECIDED, ROBUST
from transferline.registry.ledger import Move
from transferline.report.blocks import Block, Table, Text
from transferline.report.page_pictures import bar, stored
from transferline.report.report_inputs import ReportInputs
from transferline.text import images_in_groups, with_interval

TONES = {"passed": "good", "failed": "bad"}


def verdict_sentence(inputs: ReportInputs) -> tuple[str, str]:
    """Returns the verdict in one sentence, and its tone: good, bad or muted."""
    name, decision = f"{inputs.selected.candidate}, {inputs.selected.phase}", inputs.decision
    if inputs.own_moves and inputs.own_moves[0] == inputs.moves[0]:
        return _champion_sentence(name, inputs.moves[0]), "good"
    if decision is None:
        return f"Not decided yet: {name} is selected, and promotion has not compared it with the champion.", "muted"
    if inputs.own_moves:
        return f"{name} was the champion, and version {inputs.moves[0].version} replaced it.", "muted"
    if decision["accepted"]:
        return f"{name} would be promoted: {decision['reason']}.", "good"
    return f"{name} was not promoted: {decision['reason']}.", "bad"


def _champion_sentence(name: str, move: Move) -> str:
    if move.kind == "rollback":  # its reason is about the other version
        after = f"a rollback from version {move.former} ({move.reason})"
        return f"Version {move.version} ({name}) is the champion again, after {after}."
    return f"Version {move.version} ({name}) is the champion: {move.reason}."


def verdict(inputs: ReportInputs) -> list[Block]:
    """Returns the table of the models that were compared, and how the gain was tested."""
    decision, folder = inputs.decision, (inputs.root / DECISION).parent
    blocks: list[Block] = [Text(f"Warning: {inputs.warning}", "bad")] if inputs.warning else []
    if decision is None:
        value = _interval(inputs.metrics, inputs.metric)
        return [*blocks, Text(f"The selected model has {inputs.split} {inputs.metric} {value}.")]
    if decision["warning"]:
        blocks.append(Text(f"Warning: {decision['warning']}", "bad"))
    rows = {"challenger": decision["challenger"]}
    if "champion" in decision:
        rows[f"champion, version {decision['champion']['version']}"] = decision["champion"]
    blocks.append(_models(inputs, decision, rows))
    if gain := decision.get("gain"):
        counted = f"{gain['groups']} groups" if gain["groups"] < gain["images"] else f"{gain['images']} images"
        blocks.append(
            Text(
                f"The gain is {gain['gain']:+.4f}, with the interval from {gain['low']:+.4f} to {gain['high']:+.4f} "
                f"over resamples of the {counted}. The permutation test gives p = {gain['p_value']:.2g}."
            )
        )
        blocks += stored(folder / "gain.png", "Gain in the test metric with its interval, and a line at 0")
    return blocks


def _models(inputs: ReportInputs, decision: dict[str, Any], rows: dict[str, dict[str, Any]]) -> Table:
    values = [row[key] for row in rows.values() for key in ("value", "low", "high") if row[key] is not None]
    ends = (min([0, *values]), max([1, *values]))
    main = KINDS[inputs.selected.metrics["problem"]].main_metric.replace("_", " ")
    optional = [key for key in (*DECIDED, *ROBUST) if any(key in row for row in rows.values())]
    heads = ["", "model", f"test {decision['metric']}", "ms per image", "MB"]
    heads += [f"{main} {key}".replace("_", " ") if key in ROBUST else key.replace("_", " ") for key in optional]
    cells = [
        [
            role,
            row["name"],
            bar(row["value"], row["low"], row["high"], _interval(row, "value"), ends),
            f"{row['latency_ms']:.2f}",
            f"{row['size_mb']:.2f}",
            *(f"{row[key]:.4f}" if key in row else "–" for key in optional),
        ]
        for role, row in rows.items()
    ]
    confidence = decision.get("confidence", inputs.params.evaluate.confidence)  # older decisions do not have it
    return Table(heads, cells, f"{_images(decision)} In brackets: the {confidence:.0%} interval.", 0)


def _images(decision: dict[str, Any]) -> str:
    images = images_in_groups(decision["images"], decision["groups"])
    if not (left_out := decision.get("left_out")):  # older decisions do not have it
        return f"The test split has {images}."
    return (
        f"Both models are compared on {images} of the test split. {left_out:,} others are left out, because the "
        "champion was trained on them, on other images of their groups, or on near duplicates."
    )


def _interval(row: dict[str, Any], name: str) -> str:
    ends = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    low, high = (row.get(end) for end in ends)
    return with_interval(row[name], low, high)


def gates(inputs: ReportInputs) -> list[Block]:
    """Returns every gate with its verdict, and what changes between champion and challenger."""
    decision = inputs.decision
    if decision is None:
        raise NotApplicableError("promotion has not checked the selected model yet; `transferline promote` does")
    rows = [[gate["name"], gate["state"], gate["sentence"]] for gate in decision["gates"]]
    blocks: list[Block] = [Table(["gate", "verdict", "reason"], rows, toned=1)]
    if not decision.get("classes"):
        return blocks
    folder, words = (inputs.root / DECISION).parent, decision["explanations"]
    blocks += [Text(words["classes"]), *stored(folder / "classes.png", "Change of each class with its interval")]
    for name in ("regressions", "improvements"):
        count = decision["counts"][name]
        blocks.append(Text(f"{name.capitalize()}: {count}. {words[name] if count else ''}".strip()))
        blocks += stored(folder / f"{name}.png", f"Images with changed predictions: {name}")
    return blocks


def facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Returns the most important values of the selected model, for the top of the page."""
    metric, found = inputs.metric, [("model", f"{inputs.selected.candidate}, {inputs.selected.phase}")]
    found += [(f"{inputs.split} {metric.replace('_', ' ')}", _value(inputs.metrics.get(metric)))]
    if inputs.decision and "gain" in inputs.decision:
        former, gain = inputs.decision["champion"]["version"], inputs.decision["gain"]["gain"]
        found.append((f"{inputs.decision['metric'].replace('_', ' ')} gain over version {former}", f"{gain:+.4f}"))
    found.append((f"{inputs.split} images", f"{inputs.metrics['n']:,}"))
    found.append(("one image", f"{inputs.selected.latency['one_image_ms']:.1f} ms"))
    found.append(("model file", f"{inputs.selected.latency['size_bytes'] / 1e6:.1f} MB"))
    return found


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
