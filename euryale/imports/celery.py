"""Reads Celery's beat schedule, of the Python file that defines it.

The other engine is Celery's own: its schedules are asked `is_due` as beat asks them, with a clock
that is set on. Celery wants both day fields to match, and counts intervals from wherever beat was
started.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any

from euryale.config import ScheduledJobConfig
from euryale.errors import ImportUnreadable, ScheduleInvalid
from euryale.imports.cron_text import CronFields
from euryale.imports.entry import Firings, ImportedJob, Reading, Refusal
from euryale.imports.job_names import job_name
from euryale.imports.python_file import import_file, shown_name
from euryale.time.zones import LAST_YEAR, next_transition, time_zone

_SETTINGS = ("beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE")
_ZONES = ("timezone", "CELERY_TIMEZONE")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)

# Beat sleeps at most this long before it asks again, and what it then hears may be another answer,
# if the clocks were changed meanwhile.
_LONGEST_SLEEP = timedelta(minutes=5)
_BEFORE_A_CHANGE = timedelta(hours=1)

_NIGHTS = (
    "when clocks go forward, Celery puts a time that they leave out off by as much as they go, and "
    "when they go back it fires in the first pass only"
)
_PHASE = (
    "Celery counts an interval from when beat was started, Euryale from 1970-01-01 00:00 UTC, "
    "so the distances are compared and not the moments"
)


def read_celery(path: Path, *, zone: str | None = None) -> Reading:
    """Read a file that defines a beat schedule.

    It is imported, so what it does when it is imported is done.

    Args:
        path: The file: an application with `conf.beat_schedule`, or a module with a
            `beat_schedule`, `CELERY_BEAT_SCHEDULE` or `CELERYBEAT_SCHEDULE`.
        zone: The IANA name of the zone, where the file names none; UTC if absent.

    Raises:
        ImportUnreadable: Celery isn't installed, the file can't be imported, or defines none.
        ScheduleInvalid: No zone bears the name.
    """
    try:
        import celery  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ImportUnreadable(
            "Celery isn't installed here, and only it can say when it would fire",
            mend="install it beside euryale, in the environment in which the file runs",
        ) from None
    given = time_zone(zone or "UTC", where="--tz").key
    module = import_file(path)
    found: list[ImportedJob | Refusal] = []
    apps = [value for value in vars(module).values() if isinstance(value, celery.Celery)]
    for app in {id(app): app for app in apps}.values():
        app.finalize()
        name = _zone_name(app.timezone)
        for key, entry in app.conf.beat_schedule.items():
            found.append(_entry(key, entry, app, name))
    if not found:
        written = _schedule_of(module)
        name = next((str(getattr(module, each)) for each in _ZONES if hasattr(module, each)), given)
        app = celery.Celery(set_as_current=False, config_source={"timezone": name})
        for key, entry in written.items():
            found.append(_entry(key, entry, app, name))
    if not found:
        raise ImportUnreadable(
            "it defines no beat schedule",
            where=str(path),
            mend="name the file whose application has `conf.beat_schedule`, or that defines "
            f"{' or '.join(_SETTINGS)}",
        )
    return Reading(
        tuple(each for each in found if isinstance(each, ImportedJob)),
        tuple(each for each in found if isinstance(each, Refusal)),
    )


def _schedule_of(module: ModuleType) -> Mapping[str, Any]:
    for name in _SETTINGS:
        value = getattr(module, name, None)
        if isinstance(value, Mapping):
            return value
    return {}


def _zone_name(zone: tzinfo) -> str:
    return str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)


def _entry(key: str, entry: Any, app: Any, zone: str) -> ImportedJob | Refusal:
    from celery.schedules import crontab, maybe_schedule, schedule  # type: ignore[import-untyped]  # noqa: PLC0415

    origin = f"beat_schedule[{key!r}]"
    if not isinstance(entry, Mapping) or "task" not in entry or "schedule" not in entry:
        return Refusal(origin, repr(entry), "it has no `task` and `schedule`")
    theirs = maybe_schedule(entry["schedule"], bool(entry.get("relative")), app=app)
    written = _written(theirs)
    try:
        time_zone(zone)
    except ScheduleInvalid as error:
        return Refusal(origin, written, error.what)
    try:
        if type(theirs) is crontab:
            times = list(_cron_fields(theirs).configs())
        elif type(theirs) is schedule:
            times = list(_interval(theirs))
        else:
            kind = type(theirs).__name__
            sun = ": no rule of a clock says when the sun rises" if kind == "solar" else ""
            return Refusal(origin, written, f"a schedule of the class {kind} can't be said{sun}")
        in_zone = type(theirs) is crontab or len(times) > 1
        data, lines = _arguments(entry)
        candidates = tuple(
            ScheduledJobConfig(
                name=job_name(key),
                data=data,
                time_zone=zone if in_zone and zone != "UTC" else None,
                # Beat sends a task whether or not the one before still runs.
                overlap="allow_all",
                paused=True,
                **config,
            )
            for config in times
        )
    except ValueError as error:
        return Refusal(origin, written, " ".join(str(error).split()))
    task = shown_name(str(entry["task"]))
    return ImportedJob(
        origin=origin,
        written=written,
        work=task,
        candidates=candidates,
        firings=_firings(theirs, app, zone),
        zone=zone,
        original=(f"task {task}, schedule {written}", *lines),
        notes=tuple(_notes(theirs)),
        nights=_NIGHTS,
    )


def _written(theirs: Any) -> str:
    if hasattr(theirs, "_orig_minute"):
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        values = {field: getattr(theirs, f"_orig_{field}") for field in fields}
        told = [f"{field}={value!r}" for field, value in values.items() if value != "*"]
        return f"crontab({', '.join(told)})"
    if hasattr(theirs, "run_every"):
        return f"every {theirs.run_every}"
    return " ".join(repr(theirs).split())


def _cron_fields(theirs: Any) -> CronFields:
    return CronFields(
        minutes=frozenset(map(int, theirs.minute)),
        hours=frozenset(map(int, theirs.hour)),
        days=frozenset(map(int, theirs.day_of_month)),
        months=frozenset(map(int, theirs.month_of_year)),
        weekdays=frozenset(map(int, theirs.day_of_week)),
    )


def _interval(theirs: Any) -> Iterator[dict[str, Any]]:
    yield {"schedule": theirs.run_every}
    if theirs.relative and theirs.run_every == _DAY:
        # Rounded to days, it fires at midnight.
        yield {"schedule": "0 0 * * *"}


def _notes(theirs: Any) -> Iterator[str]:
    if hasattr(theirs, "run_every"):
        yield _PHASE
        return
    days = len(theirs.day_of_month) < 31 and len(theirs.day_of_week) < 7  # noqa: PLR2004 -- a month, a week
    if days:
        yield (
            "Celery fires where both day fields match, cron where either does; the job is written "
            "so that both have to"
        )


def _arguments(entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What the task is given, as data and as lines to keep."""
    arguments, named = list(entry.get("args") or ()), dict(entry.get("kwargs") or {})
    data: dict[str, Any] = {"args": arguments, "kwargs": named} if arguments else named
    lines = [f"options {entry['options']!r}"] if entry.get("options") else []
    try:
        if json.loads(json.dumps(data, allow_nan=False)) == data:
            return data, lines
    except (TypeError, ValueError):
        pass
    return {}, [*lines, f"args {arguments!r}, kwargs {named!r}, which aren't JSON"]


def _firings(theirs: Any, app: Any, zone: str) -> Firings:
    rules = time_zone(zone)
    known: list[tuple[datetime, datetime | None]] = []

    def next_change(moment: datetime) -> datetime | None:
        # It takes a walk through the years to find out that there is none.
        if not known or not known[0][0] <= moment < (known[0][1] or _EVER):
            known[:] = [(moment, next_transition(rules, moment))]
        return known[0][1]

    def firings(after: datetime) -> Iterator[datetime]:
        now = after.astimezone(UTC)
        asked = copy.copy(theirs)
        asked.app = app
        asked.nowfun = lambda: now.astimezone(rules)
        interval = getattr(asked, "run_every", None)
        # Beat's start is nobody's to know: as if it had been at one of our own firings.
        last = now if interval is None else _EPOCH + (now - _EPOCH) // interval * interval
        while now.year <= LAST_YEAR:
            due, seconds = asked.is_due(last.astimezone(rules))
            if due:
                last = now
                if now > after:
                    yield now.astimezone(rules)
            wait = timedelta(seconds=seconds)
            change = next_change(now)
            if change is not None and now + wait >= change:
                wait = min(wait, max(_LONGEST_SLEEP, change - _BEFORE_A_CHANGE - now))
            now += wait

    return firings
