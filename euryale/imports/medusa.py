"""Reads Medusa's job files: a `config` beside the handler, of version 1 or 2.

The other engine is cron-parser 4.9, which Medusa asks, as `cron_parser` stands in for it. The
handler is TypeScript, and kept as comments for whoever ports it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from euryale.config import ScheduledJobConfig
from euryale.errors import ImportUnreadable
from euryale.imports.cron_parser import CronParserExpression, CronParserRefused
from euryale.imports.cron_text import CronFields
from euryale.imports.entry import Firings, ImportedJob, Reading, Refusal
from euryale.imports.job_names import job_name
from euryale.imports.typescript import NotWrittenOut, read_config
from euryale.time.cron import Every
from euryale.time.cron_fields import DAY_OF_MONTH, DAY_OF_WEEK
from euryale.time.timetable import Timetable, firings
from euryale.time.zones import time_zone

_ENDINGS = frozenset({".ts", ".js", ".mts", ".mjs", ".cts", ".cjs"})
_NO_JOB = re.compile(r"index\..*|_.*|.*\.(test|spec|d)\.[cm]?[jt]s")
_NO_JOBS = frozenset({"__tests__", "__mocks__", "node_modules"})
_KNOWN = frozenset({"name", "schedule", "numberOfExecutions", "data"})
_VALID_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_WEEK = 7
_NTH_DAYS = 7

_NIGHTS = (
    "when clocks go forward, cron-parser puts a time that they leave out off by as much as they go"
)
_INTERVAL = (
    "Medusa sets its timer anew when a run has ended, so the interval drifts; Euryale counts it "
    "from 1970-01-01 00:00 UTC, so the distances are compared and not the moments"
)


def read_medusa(path: Path, *, zone: str | None = None) -> Reading:
    """Read a job file, or all job files of a folder, such as `src/jobs`.

    Args:
        path: The file or the folder.
        zone: The IANA name of the zone that Medusa's server is in; UTC if absent.

    Raises:
        ImportUnreadable: There is no such file, it isn't UTF-8, or nothing in it is a job.
        ScheduleInvalid: No zone bears the name.
    """
    name = time_zone(zone or "UTC", where="--tz").key
    if not path.exists():
        raise ImportUnreadable(
            "there is no such file or folder", where=str(path), mend="name `src/jobs` or a file"
        )
    files = sorted(_job_files(path)) if path.is_dir() else [path]
    found = [_job(file, path, name) for file in files]
    if not any(isinstance(each, ImportedJob) for each in found) and not path.is_dir():
        refusal = next(each for each in found if isinstance(each, Refusal))
        raise ImportUnreadable(
            refusal.reason,
            where=str(path),
            mend="name a file that exports a `config` and a handler",
        )
    if not found:
        raise ImportUnreadable(
            "there is no job file in it", where=str(path), mend="name Medusa's folder `src/jobs`"
        )
    note = "Medusa goes by its server's clock, which was taken to be UTC; `--tz` names another zone"
    return Reading(
        tuple(each for each in found if isinstance(each, ImportedJob)),
        tuple(each for each in found if isinstance(each, Refusal)),
        () if zone else (note,),
    )


def _job_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        passed_over = _NO_JOB.fullmatch(path.name) or any(
            part in _NO_JOBS or part[0] in "_." for part in parts
        )
        if path.suffix in _ENDINGS and path.is_file() and not passed_over:
            yield path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8"
        raise ImportUnreadable(
            f"it can't be read: {reason}", where=str(path), mend="save it as UTF-8"
        ) from None


def _job(path: Path, root: Path, zone: str) -> ImportedJob | Refusal:
    origin = path.relative_to(root).as_posix() if root.is_dir() else path.name
    source = _text(path)
    config = read_config(source)
    if not isinstance(config, Mapping):
        told = "it exports no `config`" if config is None else f"its config is {config.text}"
        return Refusal(origin, "", told)
    name, schedule = config.get("name"), config.get("schedule")
    if isinstance(schedule, Mapping):
        schedule = schedule.get("cron", schedule.get("interval"))
    for field, value in (("name", name), ("schedule", schedule)):
        if not value:
            return Refusal(origin, "", f"its config has no {field}")
        if isinstance(value, NotWrittenOut):
            return Refusal(
                origin, value.text, f"its {field} isn't written out: only running the file tells it"
            )
    try:
        data, notes = _data(config)
        times, firings_of, more = _times(schedule, zone)
        candidates = tuple(
            ScheduledJobConfig(
                name=name if _VALID_NAME.fullmatch(str(name)) else job_name(str(name)),
                data=data,
                number_of_executions=config.get("numberOfExecutions") or None,
                paused=True,
                **each,
            )
            for each in times
        )
    except CronParserRefused as error:
        return Refusal(origin, str(schedule), f"cron-parser throws at it: {error}")
    except ValueError as error:
        return Refusal(origin, str(schedule), " ".join(str(error).split()))
    return ImportedJob(
        origin=origin,
        written=str(schedule) if isinstance(schedule, str) else f"interval {schedule} ms",
        work=f"{origin}, whose text stands above",
        candidates=candidates,
        firings=firings_of,
        zone=zone,
        original=tuple(source.splitlines()),
        notes=(*more, *notes),
        nights=_NIGHTS,
    )


def _data(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    notes = []
    if others := sorted(config.keys() - _KNOWN):
        notes.append(f"the config also has {', '.join(others)}, which Medusa doesn't read")
    if config.get("numberOfExecutions"):
        notes.append(
            "numberOfExecutions begins anew whenever Medusa starts; number_of_executions counts "
            "over the job's whole life"
        )
    data = config.get("data") or {}
    try:
        if isinstance(data, dict) and json.loads(json.dumps(data, allow_nan=False)) == data:
            return data, notes
    except (TypeError, ValueError):
        pass
    return {}, [*notes, "its data isn't written out, and was left to the handler"]


def _times(schedule: Any, zone: str) -> tuple[list[dict[str, Any]], Firings, list[str]]:
    """What configs may say of time, when Medusa fires, and what is to be known of it."""
    if isinstance(schedule, int | float) and not isinstance(schedule, bool):
        interval = timedelta(milliseconds=schedule)
        return [{"schedule": interval}], _every(interval), [_INTERVAL]
    if not isinstance(schedule, str):
        raise ValueError(f"its schedule is neither a text nor a number: {schedule!r}")  # noqa: TRY004 -- their data, not our call
    expression = CronParserExpression.parse(schedule)
    in_zone = {} if zone == "UTC" else {"time_zone": zone}
    notes = []
    written = " ".join(schedule.split())
    if not written.startswith("@") and len(written.split()) < len(expression.fields) - 1:
        meant = " ".join(expression.fields)
        notes.append(f"Medusa fills '{written}' up from the front: it fires as '{meant}'")
    fields = _fields(expression)
    # The text as it was written, if it means the same here; the comparison tells.
    plain = [{"schedule": written}] if len(written.split()) > 4 or written[:1] == "@" else []  # noqa: PLR2004 -- five fields
    times = [*plain, *(each for each in fields.configs() if each not in plain)]
    rules = time_zone(zone)
    return (
        [{**each, **in_zone} for each in times],
        lambda after: expression.firings(rules, after=after),
        notes,
    )


def _every(interval: timedelta) -> Firings:
    # As if Medusa had been started at one of our own firings, and no run took any time.
    if interval < timedelta(seconds=1):
        raise ValueError("an interval of less than a second can't be kept")
    entry = Timetable((Every(interval),))
    return lambda after: (time.astimezone(UTC) for time in firings(entry, after=after))


def _fields(expression: CronParserExpression) -> CronFields:
    """What the expression matches, in the terms of our dialect."""
    days = frozenset(expression.days)
    weekdays = frozenset(day % _WEEK for day in expression.weekdays)
    day_forms = ("L",) if expression.last_day else ()
    weekday_forms = tuple(f"{day}L" for day in expression.last_weekdays)
    every_day = frozenset(DAY_OF_MONTH.every)
    every_weekday = frozenset(DAY_OF_WEEK.every)
    if not expression.every_weekday and weekdays == every_weekday and days != every_day:
        # A list of all seven counts as restricted, and then each day matches.
        days, day_forms = every_day, ()
    if expression.nth:
        return _nth(expression, days, weekdays)
    return CronFields(
        minutes=frozenset(expression.minutes),
        hours=frozenset(expression.hours),
        days=days,
        months=frozenset(expression.months),
        weekdays=weekdays,
        seconds=frozenset(expression.seconds),
        day_forms=() if days == every_day else day_forms,
        weekday_forms=weekday_forms,
        both_days=False,
    )


def _nth(
    expression: CronParserExpression, days: frozenset[int], weekdays: frozenset[int]
) -> CronFields:
    """`13 * 5#2`: the 13th or a Friday, of those days that are the second of their weekday."""
    first = _NTH_DAYS * (expression.nth - 1) + 1
    among = frozenset(range(first, min(first + _NTH_DAYS, 32)))
    restricted = days != frozenset(DAY_OF_MONTH.every)
    return CronFields(
        minutes=frozenset(expression.minutes),
        hours=frozenset(expression.hours),
        days=days & among if restricted else frozenset(),
        months=frozenset(expression.months),
        weekdays=frozenset(DAY_OF_WEEK.every),
        seconds=frozenset(expression.seconds),
        weekday_forms=tuple(f"{day}#{expression.nth}" for day in sorted(weekdays)),
        both_days=False,
    )
