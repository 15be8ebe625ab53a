"""Reads the deployments of `prefect.yaml`, and names what is wrong in it."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import PrefectException
from prefect.flows import load_flow_from_entrypoint
from pydantic import ValidationError

from transferline.errors import TransferlineError
from transferline.flows.times import ANCHOR, When, next_run
from transferline.project_files import prefect_file
from transferline.text import reason_of

FORWARDED = ("description", "version", "tags", "paused", "enforce_parameter_schema")
HANDLED = ("name", "entrypoint", "parameters", "schedules", "concurrency_limit", *FORWARDED)
FOR_WORKERS = ("work_pool", "build", "push", "pull")  # without effect here, because there is no worker
SCHEDULES = {"cron": CronSchedule, "interval": IntervalSchedule, "rrule": RRuleSchedule}
OF_EACH_SCHEDULE = ("active", "parameters", "slug", "replaces")
ENTRYPOINT = "MODULE.FLOW such as transferline.flows.watch.watch, or FILE.py:FLOW"
ALLOWED = {
    "entrypoint": ENTRYPOINT,
    "cron": "five fields such as 0 3 * * 1",
    "interval": "seconds above 0, such as 900",
    "rrule": "a rule such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=3",
    "timezone": "a name such as UTC or Europe/Berlin",
    "anchor_date": "a time such as 2026-01-05T03:00:00+01:00",
    "concurrency_limit": "a whole number above 0, or limit with collision_strategy",
    "limit": "a whole number above 0",
    "parameters": "a mapping",
    "schedules": "a list of schedules, each with cron, interval or rrule",
    "deployments": "a list of deployments, each with name and entrypoint",
}

T = TypeVar("T")


def read_deployments(root: Path, changed: dict[str, When]) -> list[RunnerDeployment]:
    """Returns the deployments of `prefect.yaml`, without their work pools.

    Args:
        root: the project's folder.
        changed: schedules by the name of the flow, which replace those of the file.

    Raises:
        TransferlineError: a deployment has a key or value that Prefect or this function does not know, or `changed`
            names a flow that has no deployment. The message names deployment, key, value, and what is allowed.
    """
    entries = prefect_file(root).get("deployments")
    if not isinstance(entries, list) or not entries:
        raise _fault("prefect.yaml", "deployments", entries)
    read = [
        _deployment(f"prefect.yaml: deployment {number}", entry, changed) for number, entry in enumerate(entries, 1)
    ]
    for name, count in Counter(f"{deployment.flow_name}/{deployment.name}" for deployment in read).items():
        if count > 1:
            raise TransferlineError(
                f"prefect.yaml: {count} deployments are called {name}, and Prefect would only keep the last one; give "
                "them different names, or list all times in the schedules of one"
            )
    for flow in changed.keys() - {deployment.flow_name for deployment in read}:
        raise TransferlineError(
            f"prefect.yaml has no deployment of the flow {flow}, for which an option sets a schedule; "
            "add the deployment, or leave the option out"
        )
    return read


def _deployment(where: str, entry: Any, changed: dict[str, When]) -> RunnerDeployment:
    name, entrypoint = _text(where, entry, "name"), _text(where, entry, "entrypoint")
    where = f"prefect.yaml: deployment {re.split('[.:]', entrypoint)[-1]}/{name}"
    own = {key: value for key, value in entry.items() if key not in FOR_WORKERS and value is not None}
    _refuse_unknown_keys(where, own, HANDLED)
    if found := re.search("{{.*?}}", str(own)):
        raise TransferlineError(f"{where}: {found[0]}: only `prefect deploy` replaces such a text; write the value")
    flow = _flow(where, entrypoint)
    schedules = [changed[flow.name]] if flow.name in changed else own.get("schedules", [])
    if not isinstance(schedules, list):
        raise _fault(where, "schedules", schedules)
    parameters = own.get("parameters", {})
    if not isinstance(parameters, dict):
        raise _fault(where, "parameters", parameters)
    _refuse_unknown_keys(f"{where}: parameters", parameters, flow.parameters.properties)
    arguments = {key: own[key] for key in FORWARDED if key in own} | {
        "entrypoint": entrypoint,
        "name": name,
        "parameters": parameters,
        "schedules": [_schedule(f"{where}: schedules.{n}", item) for n, item in enumerate(schedules)],
        "concurrency_limit": _limit(where, own.get("concurrency_limit")),
    }
    return _made(where, RunnerDeployment.from_entrypoint, arguments)


def _flow(where: str, entrypoint: str) -> Flow[..., Any]:
    try:
        return load_flow_from_entrypoint(entrypoint)
    except (ImportError, OSError, ValueError, PrefectException) as error:
        raise _fault(where, "entrypoint", entrypoint, reason_of(error)) from error


def _schedule(where: str, entry: Any) -> DeploymentScheduleCreate:
    values = {key: value for key, value in entry.items() if value is not None} if isinstance(entry, dict) else {}
    kinds = [kind for kind in SCHEDULES if kind in values]
    if len(kinds) != 1:
        raise TransferlineError(f"{where}: give one of {', '.join(SCHEDULES)} (got {entry!r:.80})")
    kind: Any = SCHEDULES[kinds[0]]
    _refuse_unknown_keys(where, values, [*kind.model_fields, *OF_EACH_SCHEDULE])
    if kind is IntervalSchedule:
        values.setdefault("anchor_date", ANCHOR)
    of_each = {key: values.pop(key) for key in OF_EACH_SCHEDULE if key in values}
    schedule = _made(where, kind, values)
    planned = _made(where, DeploymentScheduleCreate, {"schedule": schedule, **of_each})
    try:
        next_run(planned)
    except (ValueError, OverflowError) as error:
        raise TransferlineError(f"{where}: {entry!r:.80} is never due: {reason_of(error)}") from error
    return planned


def _limit(where: str, value: Any) -> Any:
    """Returns a concurrency limit: None, a number, or an object of Prefect."""
    number = value
    if isinstance(value, dict):
        where = f"{where}: concurrency_limit"
        _refuse_unknown_keys(where, value, ConcurrencyLimitConfig.model_fields)
        value = _made(where, ConcurrencyLimitConfig, value)
        number = value.limit
    if number is not None and (type(number) is not int or number < 1):
        raise _fault(where, "limit" if number is not value else "concurrency_limit", number)
    return value


def _made(where: str, make: Callable[..., T], values: dict[str, Any]) -> T:
    """Returns an object of Prefect; the first of its faults becomes the error."""
    try:
        return make(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        problem = fault["msg"].removeprefix("Value error, ")
        raise _fault(where, ".".join(map(str, fault["loc"])), fault["input"], problem) from error


def _refuse_unknown_keys(where: str, values: dict[str, Any], allowed: Collection[str]) -> None:
    for key in values:
        if key not in allowed:
            raise TransferlineError(
                f"{where}: unknown key {key} (got {values[key]!r:.80}); allowed are {', '.join(allowed)}"
            )


def _text(where: str, entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value:
        raise _fault(where, key, value, "give a text")
    return value


def _fault(where: str, key: str, value: Any, problem: str = "") -> TransferlineError:
    allowed = f"allowed is {ALLOWED[key]}" if key in ALLOWED else ""
    return TransferlineError(f"{where}: {key}: {'; '.join(filter(None, [problem, allowed]))} (got {value!r:.80})")
