"""Reads the jobs of an APScheduler (version 3), of the Python file that adds them.

The other engine is its own: the triggers are asked for the next fire time as the scheduler asks
them. It counts weekdays from Monday, wants all fields to match, and knows ISO weeks.
"""

import contextlib
import copy
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from euryale.config import ScheduledJobConfig
from euryale.errors import ImportUnreadable, ScheduleInvalid
from euryale.imports.anchored import anchored_expressions
from euryale.imports.cron_text import CronFields
from euryale.imports.entry import Firings, ImportedJob, Reading, Refusal
from euryale.imports.job_names import job_name
from euryale.imports.python_file import import_file, shown_name
from euryale.time.zones import LAST_YEAR, time_zone

_MICROSECOND = timedelta(microseconds=1)
_LONGEST_REPEAT = timedelta(hours=3)
_STEP = timedelta(minutes=1)
_SHORTEST_CATCH_UP = 10
_DEFAULT_GRACE = 1
_ALL_WEEKS = frozenset(range(1, 54))
_EVERY_DAY = frozenset(range(1, 32))
_EVERY_WEEKDAY = frozenset(range(7))
_LAST = 5

_NIGHTS = (
    "when clocks go forward, APScheduler puts a time that they leave out off by as much as they go "
    "and may pass over the next midnight; when they go back, it may answer one time without end"
)
_PHASE = (
    "APScheduler counts this interval from when it was started, Euryale from 1970-01-01 00:00 UTC, "
    "so the distances are compared and not the moments"
)
_ANCHORED = (
    "APScheduler counts this interval from its start_date, Euryale from 1970-01-01 00:00 UTC, and "
    "no cron expression fires at such distances"
)


class _Unsayable(ValueError):
    """A trigger that no config says."""


def read_apscheduler(path: Path, *, zone: str | None = None) -> Reading:
    """Read a file that adds jobs to a scheduler when it is imported.

    It is imported, so what it does when it is imported is done; but no scheduler is started.

    Args:
        path: The file, with a scheduler among its names.
        zone: The IANA name of the zone of the machine that it runs on, which APScheduler takes
            where nothing else is named; UTC if absent.

    Raises:
        ImportUnreadable: APScheduler 3 isn't installed, the file can't be imported, or no scheduler
            of it has a job.
        ScheduleInvalid: No zone bears the name.
    """
    try:
        from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        raise ImportUnreadable(
            "APScheduler 3 isn't installed here, and only it can say when it would fire",
            mend="install `apscheduler<4` beside euryale, in the environment in which the file "
            "runs",
        ) from None
    with _machine_in(time_zone(zone or "UTC", where="--tz").key), _never_started(BaseScheduler):
        module = import_file(path)
    schedulers = {
        id(value): value for value in vars(module).values() if isinstance(value, BaseScheduler)
    }
    found = [_job(job, scheduler) for scheduler in schedulers.values() for job in _jobs(scheduler)]
    if not found:
        raise ImportUnreadable(
            "no scheduler of it has a job once it is imported",
            where=str(path),
            mend="name the file that adds the jobs, and let it do so at its top level; what stands "
            "below `if __name__ == \"__main__\":` isn't run, and job stores aren't opened",
        )
    local = zone is None and any(
        isinstance(each, ImportedJob) and each.zone == "UTC" for each in found
    )
    note = "where no zone is named, APScheduler takes its machine's, which was taken to be UTC"
    return Reading(
        tuple(each for each in found if isinstance(each, ImportedJob)),
        tuple(each for each in found if isinstance(each, Refusal)),
        (f"{note}; `--tz` names another zone",) if local else (),
    )


@contextlib.contextmanager
def _machine_in(zone: str) -> Iterator[None]:
    """Let tzlocal, which APScheduler asks, find a zone as the machine's."""
    import tzlocal  # noqa: PLC0415 -- it comes with APScheduler

    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    tzlocal.reload_localzone()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        tzlocal.reload_localzone()


@contextlib.contextmanager
def _never_started(scheduler: Any) -> Iterator[None]:
    """Let a file start its scheduler without anything being run."""
    start = scheduler.start
    scheduler.start = lambda *_, **__: None
    try:
        yield
    finally:
        scheduler.start = start


def _jobs(scheduler: Any) -> list[Any]:
    return list(scheduler.get_jobs())


def _job(job: Any, scheduler: Any) -> ImportedJob | Refusal:
    name = str(getattr(job, "id", "") or job.name)
    if _is_generated(name):
        name = str(job.name)
    origin = f"job {name!r}"
    trigger = job.trigger
    try:
        zone = time_zone(_zone_name(trigger)).key
        times, notes = _times(trigger, zone)
        data, lines = _arguments(job)
        given, more = _options(job, trigger, scheduler)
        candidates = tuple(
            ScheduledJobConfig(name=job_name(name), data=data, paused=True, **{**given, **config})
            for config in times
        )
    except ScheduleInvalid as error:
        return Refusal(origin, str(trigger), f"{error.what}; name an IANA zone in the trigger")
    except ValueError as error:
        return Refusal(origin, str(trigger), " ".join(str(error).split()))
    work = shown_name(str(getattr(job, "func_ref", None) or job.name))
    return ImportedJob(
        origin=origin,
        written=str(trigger),
        work=work,
        candidates=candidates,
        firings=_firings(trigger, zone, unanchored=_PHASE in notes),
        zone=zone,
        original=(f"{work}, trigger {trigger}", *lines),
        notes=(*notes, *more),
        nights=_NIGHTS,
    )


def _is_generated(name: str) -> bool:
    """Whether a job's id is one that APScheduler made up, a UUID's 32 digits."""
    return len(name) == 32 and all(each in "0123456789abcdef" for each in name)  # noqa: PLR2004 -- a UUID


def _zone_name(trigger: Any) -> str:
    zone: tzinfo | None = getattr(trigger, "timezone", None)
    if zone is None:
        return "UTC"
    name = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)
    return "UTC" if zone is UTC else name


def _times(trigger: Any, zone: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """What configs may say of time, and what is to be known of it."""
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]  # noqa: PLC0415
    from apscheduler.triggers.date import DateTrigger  # type: ignore[import-untyped]  # noqa: PLC0415
    from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]  # noqa: PLC0415

    if isinstance(trigger, CronTrigger):
        bounds = _bounds(trigger)
        fields, notes = _cron_fields(trigger)
        in_zone = {} if zone == "UTC" else {"time_zone": zone}
        return [{**config, **bounds, **in_zone} for config in fields.configs()], notes
    if isinstance(trigger, IntervalTrigger):
        return _interval(trigger)
    if isinstance(trigger, DateTrigger):
        if trigger.run_date <= datetime.now(UTC):
            raise _Unsayable("its only time has passed")
        return [{"schedule": _whole_second(trigger.run_date)}], ()
    raise _Unsayable(
        f"a {type(trigger).__name__} can't be said; give each of its triggers a job of its own"
    )


def _cron_fields(trigger: Any) -> tuple[CronFields, tuple[str, ...]]:
    fields = {field.name: field for field in trigger.fields}
    if _values(fields["week"], _ALL_WEEKS, _in_week) != _ALL_WEEKS:
        raise _Unsayable(
            f"week='{fields['week']}': no cron expression counts ISO weeks; name the days in "
            "`schedule`, or test the week in the handler"
        )
    days, day_forms, weekday_forms = _days(fields["day"])
    weekdays = _values(fields["day_of_week"], _EVERY_WEEKDAY, _on_weekday)
    read = CronFields(
        minutes=_numbers(fields["minute"], 0, 59),
        hours=_numbers(fields["hour"], 0, 23),
        days=days,
        months=_numbers(fields["month"], 1, 12),
        # Theirs counts from Monday, cron from Sunday.
        weekdays=frozenset((weekday + 1) % 7 for weekday in weekdays),
        seconds=_numbers(fields["second"], 0, 59),
        day_forms=day_forms,
        weekday_forms=weekday_forms,
    )
    notes = []
    if any(each.isdigit() for each in str(fields["day_of_week"])):
        notes.append(
            f"APScheduler counts weekdays from Monday: day_of_week='{fields['day_of_week']}' is "
            "written as cron counts, from Sunday"
        )
    if weekdays != _EVERY_WEEKDAY and days != _EVERY_DAY:
        notes.append(
            "APScheduler fires where both day fields match, cron where either does; the job is "
            "written so that both have to"
        )
    return read, tuple(notes)


def _values(field: Any, among: Any, moment: Callable[[int], Any]) -> frozenset[int]:
    """The values of a field, asked of each of its expressions."""
    return frozenset(
        value
        for value in among
        if any(each.get_next_value(moment(value), field) == value for each in field.expressions)
    )


def _numbers(field: Any, low: int, high: int) -> frozenset[int]:
    return _values(
        field, range(low, high + 1), lambda value: SimpleNamespace(**{field.name: value})
    )


def _in_week(week: int) -> Any:
    return SimpleNamespace(isocalendar=lambda: (0, week, 0))


def _on_weekday(weekday: int) -> Any:
    return SimpleNamespace(weekday=lambda: weekday)


def _days(field: Any) -> tuple[frozenset[int], tuple[str, ...], tuple[str, ...]]:
    """The days of the month, and what our dialect says by `L`, `MON#2` and `5L`."""
    from apscheduler.triggers.cron.expressions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        LastDayOfMonthExpression,
        WeekdayPositionExpression,
    )

    days: set[int] = set()
    day_forms, weekday_forms = [], []
    for expression in field.expressions:
        if isinstance(expression, LastDayOfMonthExpression):
            day_forms.append("L")
        elif isinstance(expression, WeekdayPositionExpression):
            weekday, nth = (expression.weekday + 1) % 7, expression.option_num
            weekday_forms.append(f"{weekday}L" if nth == _LAST else f"{weekday}#{nth + 1}")
        else:
            # January has all the days that a month may have.
            days |= {
                day
                for day in _EVERY_DAY
                if expression.get_next_value(date(2024, 1, day), field) == day
            }
    if days == _EVERY_DAY:
        return frozenset(days), (), ()
    return frozenset(days), tuple(day_forms), tuple(weekday_forms)


def _bounds(trigger: Any) -> dict[str, Any]:
    """From when to when a cron trigger fires, its years included."""
    years = next(field for field in trigger.fields if field.name == "year")
    matching = sorted(_numbers(years, 1970, LAST_YEAR))
    start, end = trigger.start_date, trigger.end_date
    if len(matching) < LAST_YEAR - 1970 + 1:
        if not matching or matching != list(range(matching[0], matching[-1] + 1)):
            raise _Unsayable(f"year='{years}': only years that follow each other can be said")
        first = datetime(matching[0], 1, 1, tzinfo=trigger.timezone)
        start = max(start, first) if start else first
        if matching[-1] < LAST_YEAR:
            last = datetime(matching[-1], 12, 31, 23, 59, 59, tzinfo=trigger.timezone)
            end = min(end, last) if end else last
    bounds = {"start_at": start, "end_at": end}
    return {name: _whole_second(time) for name, time in bounds.items() if time is not None}


def _interval(trigger: Any) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    interval: timedelta = trigger.interval
    end = {} if trigger.end_date is None else {"end_at": _whole_second(trigger.end_date)}
    anchor = trigger.start_date.astimezone(UTC)
    if anchor.microsecond:
        # Not a time that somebody named, but the one when the trigger was made.
        return [{"schedule": interval, **end}], (_PHASE,)
    start = {"start_at": anchor} if anchor > datetime.now(UTC) else {}
    plain = {"schedule": interval, **start, **end}
    if expressions := anchored_expressions(interval, anchor):
        schedule = expressions[0] if len(expressions) == 1 else expressions
        return [plain, {"schedule": schedule, **start, **end}], ()
    return [plain], (_ANCHORED,)


def _whole_second(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)


def _options(job: Any, trigger: Any, scheduler: Any) -> tuple[dict[str, Any], list[str]]:
    """What the job's options and the scheduler's defaults become, and what is to be known of it."""
    defaults = scheduler._job_defaults  # noqa: SLF001 -- a pending job doesn't have them yet
    grace = getattr(job, "misfire_grace_time", defaults["misfire_grace_time"])
    coalesce = getattr(job, "coalesce", defaults["coalesce"])
    instances = getattr(job, "max_instances", defaults["max_instances"])
    config: dict[str, Any] = {}
    notes = []
    if grace is None:
        config["catch_up"] = "latest" if coalesce else "all"
    elif grace == _DEFAULT_GRACE:
        # Nobody has thought about it: our own default is as good.
        pass
    elif grace >= _SHORTEST_CATCH_UP:
        config["catch_up"] = timedelta(seconds=grace)
    else:
        config["catch_up"] = timedelta(seconds=_SHORTEST_CATCH_UP)
        notes.append(
            f"misfire_grace_time={grace} is less than Temporal's shortest catch-up, ten seconds"
        )
    if instances > 1:
        config["overlap"] = "allow_all"
        notes.append(f"max_instances={instances} became allow_all, which knows no number")
    elif not coalesce:
        config["overlap"] = "buffer_all"
        notes.append("coalesce=False became buffer_all: each missed run is made up for, one by one")
    if jitter := getattr(trigger, "jitter", None):
        config["jitter"] = timedelta(seconds=jitter)
    return config, notes


def _arguments(job: Any) -> tuple[dict[str, Any], list[str]]:
    arguments, named = list(job.args or ()), dict(job.kwargs or {})
    data: dict[str, Any] = {"args": arguments, "kwargs": named} if arguments else named
    try:
        if json.loads(json.dumps(data, allow_nan=False)) == data:
            return data, []
    except (TypeError, ValueError):
        pass
    return {}, [f"args {arguments!r}, kwargs {named!r}, which aren't JSON"]


def _firings(trigger: Any, zone: str, *, unanchored: bool) -> Firings:
    rules = time_zone(zone)
    asked = copy.copy(trigger)
    if hasattr(asked, "jitter"):
        asked.jitter = None
    if unanchored:
        # As if it had been started at one of our own firings.
        asked.start_date = datetime(1970, 1, 1, tzinfo=UTC).astimezone(rules)

    def firings(after: datetime) -> Iterator[datetime]:
        start = after.astimezone(UTC) + _MICROSECOND
        fired = asked.get_next_fire_time(None, start.astimezone(rules))
        while fired is not None and fired.year <= LAST_YEAR:
            moment = fired.astimezone(UTC)
            if moment >= start:
                yield moment
            following = asked.get_next_fire_time(fired, fired)
            if following is not None and following.astimezone(UTC) <= moment:
                following = _past_the_repeat(asked, moment, rules)
            fired = following

    return firings


def _past_the_repeat(trigger: Any, moment: datetime, rules: tzinfo) -> datetime | None:
    """The first answer after one that is given again and again, as in the hour that comes twice."""
    later = moment
    while later < moment + _LONGEST_REPEAT:
        later += _STEP
        following: datetime | None = trigger.get_next_fire_time(None, later.astimezone(rules))
        if following is None or following.astimezone(UTC) > moment:
            return following
    return None
