"""The changes of `params.yaml` that leave the rest of its text as it is."""

import json
import re
from pathlib import Path

import pytest

from transferline.params import Params
from transferline.params.change import with_augment_and_candidate
from transferline.params.load import parse_params
from transferline.params.write import complete_text

TEXT = """\
# ours: ask Ana before you change it
data: {dataset: waste, problem: multiclass}
augment:
  views: 4   # as many as fit
  rotation:  # small
    - -5
    - 5
  # no zoom
  zoom: [0.9, 1.1]
candidates:
    first:   # the old one
      kind: pretrained
      image: {size: 96}
      backbone: {name: efficientnet_lite0}
      train_head: {optimizer: {name: lbfgs}}  # quick
    # the next one is of tune
    tuned:
      # `transferline tune` found these settings.
      # an old comment
      kind: pretrained
      image: {size: 64}
      backbone: {name: efficientnet_lite0}
      train_head: {optimizer: {name: lbfgs}}
    # after it
    last: {kind: pretrained, image: {size: 96}, backbone: {name: efficientnet_lite2}, train_head: {}}
# the end
"""
OWN = ("# ours: ask Ana before you change it", "# as many as fit", "# no zoom", "# the old one", "# quick", "# the end")


def params_of(text: str) -> Params:
    return parse_params(text, Path("params.yaml"))


def changed(text: str, name: str | None, comment: tuple[str, ...] = ("It leads by 0.01.",)) -> tuple[str, Params]:
    """The text, and the params that it must mean, with wider augmentation and the candidate `name`."""
    before = params_of(text)
    wider = {"views": 16, "rotation": [-15, 15], "zoom": [0.8, 1.2]}
    augment = type(before.augment).model_validate_json(json.dumps({**before.augment.model_dump(mode="json"), **wider}))
    first = next(iter(before.candidates.values()))
    new = first.model_copy(update={"image": first.image.model_copy(update={"size": 128})})
    candidates = {**before.candidates, **({name: new} if name else {})}
    after = before.model_copy(update={"augment": augment, "candidates": candidates})
    return with_augment_and_candidate(text, before, after, name, comment), after


@pytest.mark.parametrize("name", ["tuned", "last", "new", None])
def test_a_changed_file_keeps_its_comments(name: str | None) -> None:
    text, after = changed(TEXT, name)
    assert params_of(text) == after and list(params_of(text).candidates) == list(after.candidates)
    assert [comment for comment in OWN if comment not in text] == []
    assert text.count("# It leads by 0.01.") == (name is not None)
    assert ("# an old comment" in text) == (name != "tuned")
    assert "# the next one is of tune" in text and "# after it" in text


def test_a_change_can_be_repeated_and_long_comments_are_wrapped() -> None:
    long = "Tried: " + " ".join(f"setting{number}" for number in range(60))
    once, after = changed(TEXT, "new", (long,))
    twice = with_augment_and_candidate(once, after, after, "new", (long,))
    lines = [line for line in once.splitlines() if re.search(r"setting\d", line)]
    assert twice == once and max(map(len, lines)) <= 120 and all(line.lstrip().startswith("# ") for line in lines)
    assert all(f"setting{number}" in once for number in range(60))


@pytest.mark.parametrize(
    ("former", "new"),
    [
        ("data: {dataset: waste, problem: multiclass}", "data: {dataset: waste, problem: multiclass}\nseed: &s 3"),
        ("  views: 4   # as many as fit", "  views: &v 4"),
        ("  zoom: [0.9, 1.1]", "  shift_x: &s [-0.05, 0.05]\n  shift_y: *s"),
        ("  zoom: [0.9, 1.1]", "  zoom: &s [0.9, 1.1]\n  contrast: *s"),
        ("  rotation:  # small\n    - -5\n    - 5", "  rotation: &s\n    - -5\n    - 5\n  shear: *s"),
        ("    - -5\n    - 5", "  - -5\n  - 5"),
    ],
)
def test_anchors_and_lists_that_are_not_indented_do_not_break_a_change(former: str, new: str) -> None:
    assert former in TEXT
    text, after = changed(TEXT.replace(former, new), "new")
    assert params_of(text) == after
    keeps_comments = "*s" not in new or "shift_x" in new  # the values of shift_x and shift_y do not change
    assert ("# the next one is of tune" in text) == keeps_comments


def test_candidates_in_braces_are_written_anew() -> None:
    data = "data: {dataset: waste, problem: multiclass}"
    candidate = "{kind: pretrained, train_head: {}, image: {size: 96}, backbone: {name: efficientnet_lite0}}"
    text, after = changed(f"{data}\ncandidates: {{a: {candidate}}}\n", "new")
    assert [line for line in text.splitlines() if "It leads" not in line] == complete_text(after).splitlines()
    assert "# It leads by 0.01.\n    kind: pretrained" in text
