"""What cron-parser 4.9 does, which is Medusa's: read a text, and say when it fires.

It stands in for the real one, which needs Node, in comparisons only. Its quirks are kept as they
are: fewer than six fields are filled up from the front, ranges of days that happen to be as long as
the month count as `*`, and on the nights when clocks are changed it walks by the wall clock as
luxon does. Tests hold it to firings that the real one gave.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from euryale.time.zones import LAST_YEAR

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DEFAULTS = ("0", "*", "*", "*", "*", "*")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WEEKDAY_VALUES = 8
_MOST_STEPS = 10_000
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_WEEK = 7
_NTH = range(1, 6)
_A_GAP = 2


class CronParserRefused(ValueError):
    """cron-parser throws at a text."""


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    characters: str
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59, r"[,*\d/-]+"),
    _Field("minute", 0, 59, r"[,*\d/-]+"),
    _Field("hour", 0, 23, r"[,*\d/-]+"),
    _Field("dayOfMonth", 1, 31, r"[?,*\dL/-]+"),
    _Field("month", 1, 12, r"[,*\d/-]+", _MONTHS),
    _Field("dayOfWeek", 0, 7, r"[?,*\dL#/-]+", _WEEKDAYS),
)


@dataclass(frozen=True)
class CronParserExpression:
    """What cron-parser makes of a text.

    Attributes:
        fields: The text with all of its six fields.
        seconds: The seconds, ascending, as all values below.
        minutes: The minutes.
        hours: The hours.
        days: The days of the month.
        last_day: Whether the days hold `L`.
        months: The months.
        weekdays: The days of the week, 0 and 7 for Sunday; all eight of them make a `*`.
        last_weekdays: The weekdays whose last one in a month is meant, such as `5L`.
        nth: Which weekday of its kind is meant, as in `MON#2`; 0 if any.
    """

    fields: tuple[str, ...]
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    last_day: bool
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    last_weekdays: tuple[int, ...]
    nth: int

    @classmethod
    def parse(cls, text: str) -> "CronParserExpression":
        """Read a text as cron-parser does.

        Raises:
            CronParserRefused: cron-parser throws.

        Example:
            >>> CronParserExpression.parse("* *").fields
            ('0', '*', '*', '*', '*', '*')
        """
        atoms = _NICKNAMES.get(text, text).split()
        if len(atoms) > len(_FIELDS):
            raise CronParserRefused("Invalid cron expression")
        texts = (*_DEFAULTS[: len(_DEFAULTS) - len(atoms)], *atoms)
        weekday_text, nth = _without_nth(texts[5])
        values = [
            _values(text, field)
            for text, field in zip((*texts[:5], weekday_text), _FIELDS, strict=True)
        ]
        plain = [tuple(sorted(each for each in field if isinstance(each, int))) for field in values]
        last = [tuple(each for each in field if isinstance(each, str)) for field in values]
        days, months = plain[3], plain[4]
        if len(months) == 1:
            length = _DAYS_IN_MONTH[months[0] - 1]
            if days and days[0] > length:
                raise CronParserRefused("Invalid explicit day of month definition")
            days = tuple(day for day in days if day <= length)
        if any(not each[0].isdigit() for each in last[5]):
            raise CronParserRefused("Invalid last weekday of the month expression")
        return cls(
            fields=texts,
            seconds=plain[0],
            minutes=plain[1],
            hours=plain[2],
            days=days,
            last_day=bool(last[3]),
            months=months,
            weekdays=plain[5],
            last_weekdays=tuple(int(each[0]) % _WEEK for each in last[5]),
            nth=nth,
        )

    @property
    def every_weekday(self) -> bool:
        """Whether the day of the week counts as not restricted."""
        return len(self.weekdays) + len(self.last_weekdays) == _WEEKDAY_VALUES

    def every_day_of(self, month: int) -> bool:
        """Whether the day of the month counts as not restricted in a month."""
        return len(self.days) + self.last_day >= _DAYS_IN_MONTH[month - 1]

    def firings(self, zone: ZoneInfo, *, after: datetime) -> Iterator[datetime]:
        """When it fires, strictly after a time, in UTC, up to the year 2100.

        Args:
            zone: The zone that it is told, or that the process is in.
            after: An aware time.

        Example:
            >>> yearly = CronParserExpression.parse("@yearly")
            >>> next(yearly.firings(ZoneInfo("UTC"), after=datetime(2026, 1, 5, tzinfo=UTC)))
            datetime.datetime(2027, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
        """
        walk = _Walk(self, _Clock.showing(int(after.timestamp()), zone))
        while True:
            moment = walk.following()
            if moment is None or moment.year > LAST_YEAR:
                return
            if moment > after:
                yield moment


@dataclass(frozen=True, slots=True)
class _Clock:
    """A moment and its wall clock, with luxon's arithmetic."""

    moment: int
    zone: ZoneInfo
    offset: int
    wall: datetime

    @classmethod
    def showing(cls, moment: int, zone: ZoneInfo) -> "_Clock":
        shown = datetime.fromtimestamp(moment, zone)
        offset = shown.utcoffset() or timedelta(0)
        return cls(moment, zone, round(offset.total_seconds()), shown.replace(tzinfo=None, fold=0))

    def at(self, wall: datetime) -> "_Clock":
        """The moment when the wall clock shows a time; luxon's guess where it is none, or two."""
        local = int((wall - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001 -- a wall clock
        guess = _Clock.showing(local - self.offset, self.zone)
        if guess.offset == self.offset:
            return guess
        again = _Clock.showing(guess.moment - (guess.offset - self.offset), self.zone)
        if again.offset == guess.offset:
            return again
        return _Clock.showing(local - min(guess.offset, again.offset), self.zone)

    def elapsed(self, seconds: int) -> "_Clock":
        return _Clock.showing(self.moment + seconds, self.zone)

    def next_day(self) -> "_Clock":
        return self._days_later(1).at_midnight()

    def at_midnight(self) -> "_Clock":
        return self.at(self.wall.replace(hour=0, minute=0, second=0))

    def next_month(self) -> "_Clock":
        years, month = divmod(self.wall.month, 12)
        first = self.wall.replace(day=1)
        day = min(self.wall.day, _length(self.wall.year + years, month + 1))
        later = self.at(first.replace(year=self.wall.year + years, month=month + 1, day=day))
        return later.at(later.wall.replace(day=1, hour=0, minute=0, second=0))

    def next_hour(self) -> "_Clock":
        later = self.elapsed(_HOUR)
        later = later.at(later.wall.replace(minute=0, second=0))
        return later.elapsed(_HOUR) if later.moment <= self.moment else later

    def next_minute(self) -> "_Clock":
        later = self.elapsed(_MINUTE)
        later = later.at(later.wall.replace(second=0))
        return later.elapsed(_HOUR) if later.moment < self.moment else later

    def month_after(self, days: int) -> int:
        return self._days_later(days).at_midnight().wall.month

    def _days_later(self, days: int) -> "_Clock":
        return self.at(
            datetime.fromordinal(self.wall.toordinal() + days).replace(
                hour=self.wall.hour, minute=self.wall.minute, second=self.wall.second
            )
        )


class _Walk:
    """cron-parser's `_findSchedule`, step for step."""

    def __init__(self, expression: CronParserExpression, clock: _Clock) -> None:
        self._expression = expression
        self._clock = clock
        self._gap_ended: int | None = None
        self._fold_began: int | None = None

    def following(self) -> datetime | None:
        """The next firing in UTC; None if cron-parser gives up, which it does by throwing."""
        start = self._clock.moment
        for _ in range(_MOST_STEPS):
            if not self._step(start):
                return datetime.fromtimestamp(self._clock.moment, UTC)
        return None

    def _step(self, start: int) -> bool:
        """Set the clock on by one step; False if it shows a firing."""
        expression, wall = self._expression, self._clock.wall
        if not self._day_matches():
            self._set_on_by_days(self._clock.next_day())
        elif wall.month not in expression.months:
            self._set_on_by_days(self._clock.next_month())
        elif self._hour_is_left(wall.hour):
            pass
        elif wall.minute not in expression.minutes:
            self._set_on(self._later_minute())
        elif wall.second not in expression.seconds or self._clock.moment == start:
            # Clocks are changed at whole minutes, so that these seconds may be passed at once.
            second = _following(wall.second, expression.seconds)
            self._set_on(self._clock.elapsed(second - wall.second))
        else:
            return False
        return True

    def _day_matches(self) -> bool:
        expression, clock = self._expression, self._clock
        wall = clock.wall
        weekday = wall.isoweekday() % _WEEK
        in_month = wall.day in expression.days or (
            expression.last_day and clock.month_after(1) != wall.month
        )
        in_week = weekday in expression.weekdays or (
            weekday in expression.last_weekdays and clock.month_after(_WEEK) != wall.month
        )
        every_day = expression.every_day_of(wall.month)
        if not in_month and (not in_week or expression.every_weekday):
            return False
        if every_day and not expression.every_weekday and not in_week:
            return False
        return not expression.nth or (wall.day + _WEEK - 1) // _WEEK == expression.nth

    def _hour_is_left(self, hour: int) -> bool:
        """Whether the hour doesn't do, and the clock was set on."""
        hours = self._expression.hours
        if hour not in hours:
            if self._gap_ended != hour:
                self._gap_ended = None
                self._set_on(self._clock.next_hour())
                return True
            if hour - 1 not in hours:
                self._clock = self._clock.next_hour()
                return True
        elif self._fold_began == hour:
            self._fold_began = None
            self._set_on(self._clock.next_hour())
            return True
        return False

    def _later_minute(self) -> _Clock:
        """The next minute; or, if no clock is changed before it, the next that matches."""
        wall = self._clock.wall
        minute = _following(wall.minute, self._expression.minutes)
        later = self._clock.elapsed((minute - wall.minute) * _MINUTE - wall.second)
        return later if later.offset == self._clock.offset else self._clock.next_minute()

    def _set_on_by_days(self, clock: _Clock) -> None:
        if clock.moment == self._clock.moment and not (clock.wall.minute or clock.wall.second):
            clock = clock.next_hour()
        self._clock = clock

    def _set_on(self, clock: _Clock) -> None:
        if len(self._expression.hours) != _DAY // _HOUR:
            hour, passed = clock.wall.hour, clock.wall.hour - self._clock.wall.hour
            if passed == _A_GAP:
                self._gap_ended = hour
            elif passed == 0 and not (clock.wall.minute or clock.wall.second):
                self._fold_began = hour
        self._clock = clock


def _following(value: int, values: tuple[int, ...]) -> int:
    """The next value after one, in the same minute or hour; 60, where the next one begins."""
    return next((each for each in values if each > value), _MINUTE)


def _length(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 28 if month == 2 and not leap else _DAYS_IN_MONTH[month - 1]  # noqa: PLR2004 -- February


def _without_nth(text: str) -> tuple[str, int]:
    day, *rest = text.split("#")
    if not rest:
        return text, 0
    if re.search(r"[,/-]", text):
        raise CronParserRefused("`#` goes with no other special character")
    if len(rest) > 1 or not rest[0].isdigit() or int(rest[0]) not in _NTH:
        raise CronParserRefused("invalid dayOfWeek occurrence number (#)")
    return day, int(rest[0])


def _values(text: str, field: _Field) -> list[int | str]:
    def number_of(name: re.Match[str]) -> str:
        if name[0].lower() not in field.names:
            raise CronParserRefused(f'cannot resolve alias "{name[0].lower()}"')
        start = 1 if field.names == _MONTHS else 0
        return str(field.names.index(name[0].lower()) + start)

    shown = re.sub(r"[A-Za-z]{3}", number_of, text) if field.names else text
    if not re.fullmatch(field.characters, shown, re.ASCII):
        raise CronParserRefused(f"Invalid characters, got value: {shown}")
    every = f"{field.low}-{field.high}"
    shown = shown.replace("*", every) if "*" in shown else shown.replace("?", every)
    values: list[int | str] = []
    for atom in shown.split(","):
        values += _repeated(atom, field)
    return values


def _repeated(atom: str, field: _Field) -> list[int | str]:
    first, *rest = atom.split("/")
    if not atom or len(rest) > 1:
        raise CronParserRefused(f"Invalid repeat: {atom}")
    step = 1
    if rest:
        if not rest[0].isdigit() or not int(rest[0]):
            raise CronParserRefused(f"cannot repeat at every {rest[0]} time")
        step = int(rest[0])
        if first.isdigit():
            first = f"{first}-{field.high}"
    return _range(first, step, field)


def _range(text: str, step: int, field: _Field) -> list[int | str]:
    first, *rest = text.split("-")
    if not rest:
        if "L" in text and field.name in ("dayOfMonth", "dayOfWeek"):
            return [text]
        value = _number(text, field)
        return [value % _WEEK if field.name == "dayOfWeek" else value]
    low, high = _number(first, field), _number(rest[0], field)
    if low > high:
        raise CronParserRefused(f"Invalid range: {text}")
    values: list[int | str] = []
    counted = step
    if field.name == "dayOfWeek" and high % _WEEK == 0:
        values.append(0)
    for value in range(low, high + 1):
        # What is there already isn't counted as a step either.
        if value not in values and counted % step == 0:
            counted = 1
            values.append(value)
        else:
            counted += 1
    return values


def _number(text: str, field: _Field) -> int:
    if not text.isdigit() or not field.low <= int(text) <= field.high:
        raise CronParserRefused(f"got value {text} expected range {field.low}-{field.high}")
    return int(text)
