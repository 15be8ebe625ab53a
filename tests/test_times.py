"""The options of `transferline schedule` that set when flows run, and the time of the next run."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from zoneinfo import ZoneInfoNotFoundError

import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from tzlocal import reload_localzone

from tests.conftest import ROOT
from transferline.errors import TransferlineError
from transferline.flows import times
from transferline.flows.deployments import read_deployments
from transferline.flows.times import When, at, every, next_run


@pytest.fixture
def set_zone() -> Iterator[Callable[[str], None]]:
    """Sets TZ; also for the C library and for tzlocal, which both remember it."""
    with pytest.MonkeyPatch.context() as patch:

        def set_and_read(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()
            with suppress(ZoneInfoNotFoundError):
                reload_localzone()

        yield set_and_read
    time.tzset()
    reload_localzone()


@pytest.mark.parametrize(
    ("text", "cron"),
    [("3:00", "0 3 * * *"), ("23:59", "59 23 * * *"), ("Mon 3:05", "5 3 * * 1"), ("sunday 0:00", "0 0 * * 0")],
)
def test_a_time_of_the_day(text: str, cron: str, set_zone: Callable[[str], None]) -> None:
    set_zone("Europe/Berlin")
    assert at(text) == {"cron": cron, "timezone": "Europe/Berlin"}


UNKNOWN = (
    "^--at 3:00: the name of this machine's time zone is unknown; set the variable TZ to a name such as Europe/Berlin"
)


def test_a_variable_tz_without_a_name(set_zone: Callable[[str], None]) -> None:
    set_zone("HERE-13:30")  # tzlocal ignores it and takes the zone of the system, which has another offset
    with pytest.raises(TransferlineError, match=UNKNOWN):
        at("3:00")


def test_a_machine_whose_zone_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "get_localzone_name", lambda: None)
    with pytest.raises(TransferlineError, match=UNKNOWN):
        at("3:00")


@pytest.mark.parametrize(("text", "seconds"), [("15m", 900), ("6h", 21600), ("1d", 86400)])
def test_an_interval(text: str, seconds: int) -> None:
    assert every(text) == {"interval": seconds}


@pytest.mark.parametrize("text", ["", "25:00", "3", "3:60", "noday 3:00", "3:00 mon"])
def test_a_wrong_time_is_one_message(text: str) -> None:
    with pytest.raises(TransferlineError, match=f"^--at {re.escape(text)}: give a time such as 3:00"):
        at(text)


@pytest.mark.parametrize("text", ["", "0m", "15", "1.5h", "-1h", "2w", "999999d"])
def test_a_wrong_interval_is_one_message(text: str) -> None:
    with pytest.raises(TransferlineError, match=f"^--watch {re.escape(text)}: give 1 to 99999"):
        every(text, "--watch")


def planned(when: When) -> DeploymentScheduleCreate:
    (watch,) = (found for found in read_deployments(ROOT, {"watch": when}) if found.flow_name == "watch")
    (only,) = watch.schedules
    return only


def test_the_next_run_in_words() -> None:
    assert re.fullmatch(r"Mon \d{4}-\d\d-\d\d 03:00 UTC", next_run(planned({"cron": "0 3 * * 1", "timezone": "UTC"})))
    words = {"15m": "15 minutes", "1h": "hour", "2d": "2 days", "90m": "90 minutes"}
    due = r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d UTC"
    for text, length in words.items():
        assert re.fullmatch(f"every {length}, next {due}", next_run(planned(every(text))))


def test_a_restart_does_not_put_off_the_next_run() -> None:
    week = planned(every("7d"))
    assert week == planned(every("7d"))
    assert re.fullmatch(r"every 7 days, next Mon \d{4}-\d\d-\d\d 00:00 UTC", next_run(week))
