"""The table that closes a run of the flow."""

import json
import re
from pathlib import Path

from flows.summary import closing, outcome


def test_the_closing_table(tmp_path: Path) -> None:
    figures = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95}
    phases = {"head": {"validation": figures, "test": figures}, "fine_tune": {"validation": figures}}
    metrics = {
        "selected": {"candidate": "a", "phase": "head", "metric": "accuracy"},
        "candidates": {"a": phases},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    for phase in phases:
        (tmp_path / "evaluations/a" / phase).mkdir(parents=True)
        (tmp_path / "evaluations/a" / phase / "latency.json").write_text('{"training_seconds": 12.4}')
    decision = {"promoted": False, "reason": "no improvement", "version": "2"}
    lines = closing(tmp_path, {"stages": {}, "decision": decision}).splitlines()
    assert re.split(" {2,}", lines[2]) == [
        "a",
        "head",
        "0.9000 [0.8000, 0.9500]",
        "0.9000 [0.8000, 0.9500]",
        "12",
        "selected, not promoted",
    ]
    assert lines[3].split()[-2:] == ["-", "12"]
    nothing = "nothing to do, because data, params and code are those of the last run"
    assert f"{nothing}; not promoted: no improvement" in lines
    assert outcome({"stages": {"a": 1.0, "b": 2.0}, "decision": None}) == (
        "2 stages run; not promoted: promotion was not asked for"
    )
