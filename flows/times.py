"""When the deployments run: from `prefect.yaml`, or from the options of `transferline schedule`."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.server.schemas.schedules import SCHEDULE_TYPES, IntervalSchedule
from pydantic import TypeAdapter
from tzlocal import assert_tz_offset, get_localzone_name

from transferline.errors import TransferlineError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # their positions are cron's numbers
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# Intervals count from this Monday. Prefect would count from each start, and a service that restarts every night would
# never come to the end of a week.
ANCHOR = datetime(2024, 1, 1, tzinfo=UTC)

When = dict[str, Any]  # an entry of `schedules` in prefect.yaml: cron and timezone, or interval in seconds


def at(text: str) -> When:
    """Returns the schedule of a time of the day in this machine's time zone, such as `3:00` or `mon 3:00`.

    Raises:
        TransferlineError: the text is something else, or the time zone of the machine has no known name.
    """
    found = re.fullmatch(r"(?:([a-z]{3})[a-z]* +)?(\d{1,2}):(\d\d)", text.strip().lower())
    day, hour, minute = found.groups() if found else (None, "99", "99")
    if int(hour) > 23 or int(minute) > 59 or day not in (None, *WEEKDAYS):
        raise TransferlineError(f"--at {text}: give a time such as 3:00, or with a weekday such as 'mon 3:00'")
    weekday = WEEKDAYS.index(day) if day else "*"
    return {"cron": f"{int(minute)} {int(hour)} * * {weekday}", "timezone": _time_zone(text)}


def _time_zone(text: str) -> str:
    """Returns the name of this machine's time zone, such as Europe/Berlin."""
    try:
        if name := get_localzone_name():
            assert_tz_offset(ZoneInfo(name))
            return name
    except (ZoneInfoNotFoundError, ValueError):  # contradictory settings, or a TZ that is not the name of a zone
        pass
    raise TransferlineError(
        f"--at {text}: the name of this machine's time zone is unknown; set the variable TZ to a name such as "
        "Europe/Berlin"
    )


def every(text: str, option: str = "--every") -> When:
    """Returns the schedule of a duration, such as `15m`, `6h` or `1d`.

    Raises:
        TransferlineError: the text is something else, or the duration is less than a minute.
    """
    found = re.fullmatch(r"(\d{1,5})([mhd])", text.strip().lower())
    if not found or int(found[1]) == 0:
        raise TransferlineError(f"{option} {text}: give 1 to 99999 minutes, hours or days: 15m, 6h or 1d")
    return {"interval": timedelta(**{UNITS[found[2]]: int(found[1])}).total_seconds()}


def next_run(planned: DeploymentScheduleCreate) -> str:
    """Returns when a schedule is due next, such as `Mon 2026-11-30 03:00 UTC`; an interval also has its length.

    Raises:
        ValueError or OverflowError: no such time exists, for example on 30 February.
    """
    if planned.active is False:
        return "not active"
    schedule: Any = TypeAdapter(SCHEDULE_TYPES).validate_python(planned.schedule.model_dump())  # the server's class
    dates = asyncio.run(schedule.get_dates(1))
    due = f"{dates[0]:%a %Y-%m-%d %H:%M %Z}" if dates else "never again"
    return f"every {_duration(schedule.interval)}, next {due}" if isinstance(schedule, IntervalSchedule) else due


def _duration(length: timedelta) -> str:
    for unit, name in (("days", "day"), ("hours", "hour"), ("minutes", "minute"), ("seconds", "second")):
        number, rest = divmod(length, timedelta(**{unit: 1}))
        if number and not rest:
            return f"{number} {name}s" if number > 1 else name
    return f"{length.total_seconds():g} seconds"
