"""`transferline schedule` passes on what `prefect.yaml` sets, and names what is wrong in it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from transferline.errors import TransferlineError
from transferline.flows.deployments import read_deployments
from transferline.flows.times import every, next_run

WATCH = "transferline.flows.watch.watch"
CRON = "0 3 * * 1"


def write(root: Path, **keys: Any) -> Path:
    """A project whose `prefect.yaml` has one deployment, which runs the flow `watch`."""
    entry = {"name": "waste", "entrypoint": WATCH, "work_pool": {"name": "waste"}} | keys
    YAML().dump({"name": "waste", "deployments": [entry]}, root / "prefect.yaml")
    return root


def test_the_file_of_this_project() -> None:
    found = {one.flow_name: one for one in read_deployments(ROOT, {"watch": every("5m")})}
    assert set(found) == {"retrain", "watch", "reconcile"}
    assert [one.concurrency_options.collision_strategy for one in found.values()] == ["CANCEL_NEW"] * 3
    assert found["retrain"].schedules[0].schedule.cron == CRON and found["retrain"].parameters == {"reason": "weekly"}
    intervals = [found[flow].schedules[0].schedule.interval for flow in ("watch", "reconcile")]
    assert intervals == [timedelta(minutes=5), timedelta(hours=1)]


def test_what_prefect_accepts_is_passed_on(tmp_path: Path) -> None:
    schedules = [
        {"interval": 900, "active": False, "anchor_date": datetime(2026, 1, 5, 3, tzinfo=UTC)},
        {"cron": "0 3 1 * 1", "day_or": False, "timezone": "Europe/Berlin", "slug": "monthly"},
        {"rrule": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=3;BYMINUTE=0;BYSECOND=0", "timezone": None},
    ]
    keys = {"tags": ["a"], "paused": True, "concurrency_limit": 2, "schedules": schedules}
    (found,) = read_deployments(write(tmp_path, **keys), {})
    assert (found.tags, found.paused, found.concurrency_limit, found.concurrency_options) == (["a"], True, 2, None)
    interval, cron, rule = found.schedules
    assert (interval.active, interval.schedule.anchor_date) == (False, schedules[0]["anchor_date"])
    assert (cron.slug, cron.schedule.day_or, cron.schedule.timezone) == ("monthly", False, "Europe/Berlin")
    assert next_run(interval) == "not active" and re.fullmatch(r"Mon .* 03:00 UTC", next_run(rule))


@pytest.mark.parametrize("keys", [{}, {"schedules": None}, {"schedules": []}])
def test_a_deployment_without_schedules(keys: dict[str, Any], tmp_path: Path) -> None:
    (found,) = read_deployments(write(tmp_path, **keys), {})
    assert found.schedules == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"schedule": {"cron": CRON}}, "unknown key schedule"),
        ({"triggers": []}, "unknown key triggers"),
        ({"entrypoint": "transferline.flows.watch.wach"}, "entrypoint: .*MODULE.FLOW"),
        ({"entrypoint": "transferline.flows.wach.watch"}, "entrypoint: .*MODULE.FLOW"),
        ({"entrypoint": "watch.py:watch"}, "entrypoint: .*MODULE.FLOW"),
        ({"entrypoint": "watch"}, "entrypoint: .*MODULE.FLOW"),
        ({"parameters": {"reson": "weekly"}}, "parameters: unknown key reson"),
        ({"parameters": ["weekly"]}, "parameters: allowed is a mapping"),
        ({"description": "{{ $WHY }}"}, r"{{ \$WHY }}: only `prefect deploy` replaces"),
        ({"paused": "maybe"}, "paused: .*valid boolean.*got 'maybe'"),
        ({"concurrency_limit": 0}, "concurrency_limit: allowed is a whole number above 0.*got 0"),
        ({"concurrency_limit": "one"}, "concurrency_limit: allowed is a whole number above 0.*got 'one'"),
        ({"concurrency_limit": {"limit": 0}}, "concurrency_limit: limit: allowed is a whole number above 0"),
        (
            {"concurrency_limit": {"limit": 1, "colision_strategy": "ENQUEUE"}},
            "concurrency_limit: unknown key colision_strategy",
        ),
        (
            {"concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL"}},
            ".*'ENQUEUE' or 'CANCEL_NEW'.*got 'CANCEL'",
        ),
        ({"schedules": {"cron": CRON}}, "schedules: allowed is a list"),
    ],
)
def test_a_fault_of_a_deployment(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match=rf"^prefect.yaml: deployment w\w+/waste: {message}"):
        read_deployments(write(tmp_path, **keys), {})


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"cron": "0 25 * * *"}, ": cron: .*five fields.*got '0 25"),
        ({"cron": 5}, ": cron: .*five fields.*got 5"),
        ({"cron": CRON, "timezone": "Europe/Berln"}, ": timezone: .*Europe/Berlin.*got 'Europe/Berln'"),
        ({"cron": "0 3 30 2 *"}, ": .* is never due"),
        ({"cron": CRON, "interval": 900}, ": give one of cron, interval, rrule"),
        ({"cron": CRON, "anchor_date": "2026-01-05"}, ": unknown key anchor_date .*allowed are cron, timezone, day_or"),
        ({"cron": CRON, "zone": "UTC"}, ": unknown key zone"),
        ({"cron": CRON, "active": "perhaps"}, ": active: .*boolean.*got 'perhaps'"),
        ({"interval": "15m"}, ": interval: .*seconds above 0.*got '15m'"),
        ({"interval": 0}, ": interval: .*seconds above 0.*got"),
        ({"interval": 1e12}, ": .* is never due"),
        ({"interval": 900, "anchor_date": "yesterday"}, ": anchor_date: .*2026.*got 'yesterday'"),
        ({"rrule": "FREQ=DAILI"}, ": rrule: .*FREQ=WEEKLY.*got 'FREQ=DAILI'"),
        ({}, ": give one of cron, interval, rrule"),
        (None, ": give one of cron, interval, rrule"),
        (CRON, ": give one of cron, interval, rrule"),
    ],
)
def test_a_fault_of_a_schedule(schedule: Any, message: str, tmp_path: Path) -> None:
    root = write(tmp_path, schedules=[{"interval": 900}, schedule])
    with pytest.raises(TransferlineError, match=rf"^prefect.yaml: deployment watch/waste: schedules.1{message}"):
        read_deployments(root, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "prefect.yaml: name: give the name of the project"),
        ("- 1", "prefect.yaml: name: give the name of the project"),
        ("name: waste", "prefect.yaml: deployments: allowed is a list"),
        ("name: waste\ndeployments: []", "prefect.yaml: deployments: allowed is a list"),
        ("name: waste\ndeployments: [watch]", "prefect.yaml: deployment 1: name: give a text"),
        (f"name: waste\ndeployments: [{{entrypoint: {WATCH}}}]", "prefect.yaml: deployment 1: name: give a text"),
        ("name: waste\ndeployments: [{name: waste}]", "prefect.yaml: deployment 1: entrypoint: give a text"),
    ],
)
def test_a_file_without_deployments(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text(text)
    with pytest.raises(TransferlineError, match=message):
        read_deployments(tmp_path, {})


def test_two_deployments_of_one_name_are_named(tmp_path: Path) -> None:
    """The server would only keep the last one."""
    tree = YAML(typ="safe").load(write(tmp_path) / "prefect.yaml")
    YAML().dump(tree | {"deployments": tree["deployments"] * 2}, tmp_path / "prefect.yaml")
    with pytest.raises(TransferlineError, match=r"prefect\.yaml: 2 deployments are called watch/waste, and Prefect"):
        read_deployments(tmp_path, {})


def test_an_option_for_a_flow_without_deployment(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match=r"prefect\.yaml has no deployment of the flow retrain"):
        read_deployments(write(tmp_path), {"retrain": every("1d")})
