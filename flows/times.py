"""When the deployments run: from `prefect.yaml`, or from the options of `transferline schedule`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim
from tzlocal import get_localzone_name

from transferline.errors import TransferlineError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # their positions are cron's numbers
UNITS = {"m": "minutes", "h": "hours", "d": "days"}

When = dict[str, Any]  # an entry of `schedules` in prefect.yaml: cron and timezone, or interval in seconds


def at(text: str) -> When:
    """Returns the schedule of a time of the day in this machine's time zone, such as `3:00` or `mon 3:00`.

    Raises:
        TransferlineError: the text is something else.
    """
    found = re.fullmatch(r"(?:([a-z]{3})[a-z]* +)?(\d{1,2}):(\d\d)", text.strip().lower())
    day, hour, minute = found.groups() if found else (None, "99", "99")
    if int(hour) > 23 or int(minute) > 59 or day not in (None, *WEEKDAYS):
        raise TransferlineError(f"--at {text}: give a time such as 3:00, or with a weekday such as 'mon 3:00'")
    weekday = WEEKDAYS.index(day) if day else "*"
    return {"cron": f"{int(minute)} {int(hour)} * * {weekday}", "timezone": get_localzone_name()}


def every(text: str, option: str = "--every") -> When:
    """Returns the schedule of a duration, such as `15m`, `6h` or `1d`.

    Raises:
        TransferlineError: the text is something else, or the duration is less than a minute.
    """
    found = re.fullmatch(r"(\d{1,5})([mhd])", text.strip().lower())
    if not found or int(found[1]) == 0:
        raise TransferlineError(f"{option} {text}: give 1 to 99999 minutes, hours or days: 15m, 6h or 1d")
    return {"interval": timedelta(**{UNITS[found[2]]: int(found[1])}).total_seconds()}


def next_run(when: When) -> str:
    """Returns when a schedule is due next, in words: `Mon 2026-11-30 03:00 UTC`, or `every 15 minutes`."""
    if "interval" in when:
        return f"every {_duration(timedelta(seconds=when['interval']))}"
    zone = ZoneInfo(when.get("timezone") or "UTC")
    return f"{next(CronSim(when['cron'], datetime.now(UTC).astimezone(zone))):%a %Y-%m-%d %H:%M %Z}"


def _duration(length: timedelta) -> str:
    for unit, name in (("days", "day"), ("hours", "hour"), ("minutes", "minute"), ("seconds", "second")):
        number, rest = divmod(length, timedelta(**{unit: 1}))
        if number and not rest:
            return f"{number} {name}s" if number > 1 else name
    return f"{length.total_seconds():g} seconds"
