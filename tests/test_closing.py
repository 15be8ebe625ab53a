"""The sentence and the link that a run prints at its end."""

from pathlib import Path

from transferline.flows.summary import closing, outcome


def test_the_last_lines_are_one_sentence_and_the_page_that_shows_more(tmp_path: Path) -> None:
    summary = {
        "stages": {},
        "seconds": 3.2,
        "decision": {"promoted": False, "reason": "test accuracy 0.9000 is not better", "version": "2"},
    }
    page = tmp_path / "reports/index.html"
    sentence = "no stages ran in 3 s; nothing was promoted: test accuracy 0.9000 is not better."
    assert closing(tmp_path, summary).split("\n")[1:] == [sentence, (tmp_path / "reports/leaderboard.md").as_uri()]
    page.parent.mkdir(parents=True)
    page.touch()
    assert closing(tmp_path, summary).split("\n")[1:] == [sentence, page.as_uri()]


def test_the_outcome() -> None:
    summary = {"stages": {"a": 1.0}, "seconds": 60.0, "decision": None}
    assert outcome(summary) == "1 stage ran in 60 s; nothing was promoted, because promotion was switched off"
    decision = {"promoted": True, "reason": "better by 0.02", "version": "3"}
    assert outcome({**summary, "decision": decision}) == ("1 stage ran in 60 s; version 3 was promoted: better by 0.02")
