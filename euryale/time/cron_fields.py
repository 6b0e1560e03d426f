"""One field of a cron expression: what it may hold, and the values that its text means.

Each item of a field's list is put in terms that croniter reads as Debian's cron does, or becomes a
form that no number can say (`L`, `15W`, `MON#2`). croniter alone would read some items wrongly or
too kindly: `1-1` as every day, a week that ends on 7 as one that wraps, `31W` as the 30th.
"""

import difflib
import functools
import hashlib
import re
from dataclasses import dataclass, replace

# croniter ships no type hints.
from croniter import croniter  # type: ignore[import-untyped]

from euryale.errors import ScheduleInvalid
from euryale.time.day_rules import (
    DayForm,
    LastDay,
    LastOfWeekday,
    LastWeekday,
    NearestWeekday,
    NthWeekday,
)

_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class CronField:
    """One of the fields: its name, its range, and the names of its values.

    Attributes:
        name: What people call it.
        low: The lowest value.
        high: The highest value; 6 for the day of week, where 7 is another word for 0.
        names: Names of values, the first standing for `low`.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[int, ...]:
        """All of the field's values."""
        return tuple(range(self.low, self.high + 1))


SECOND = CronField("second", 0, 59)
MINUTE = CronField("minute", 0, 59)
HOUR = CronField("hour", 0, 23)
DAY_OF_MONTH = CronField("day of month", 1, 31)
MONTH = CronField(
    "month",
    1,
    12,
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
DAY_OF_WEEK = CronField("day of week", 0, 6, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)

_SUNDAY_AS_SEVEN = 7
_SHORTEST_MONTH = 28
_MOST_WEEKDAYS_IN_MONTH = 5

_ITEM = re.compile(
    r"(?P<first>\*|[0-9A-Z]+)(?:-(?P<last>[0-9A-Z]+))?(?:/(?P<step>[0-9]{1,9}))?", re.ASCII
)
_SPREAD = re.compile(
    r"H(?:\((?P<first>[0-9A-Z]+)-(?P<last>[0-9A-Z]+)\))?(?:/(?P<step>[0-9]{1,9}))?", re.ASCII
)
_LAST_DAY = re.compile(r"L(?:-(?P<before>[0-9]+))?", re.ASCII)
_NEAREST_WEEKDAY = re.compile(r"(?P<day>[0-9]+)W", re.ASCII)
_NTH_WEEKDAY = re.compile(r"(?P<day>[0-9A-Z]+)#(?P<nth>[0-9]+)", re.ASCII)
_LAST_OF_WEEKDAY = re.compile(r"L(?P<after>[0-9]|[A-Z]{3})|(?P<before>[0-9]|[A-Z]{3})L", re.ASCII)
_DAY_FORM = re.compile(r"\?|L|L-.*|LW|[0-9]+[LW]|.*#.*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldReading:
    """What a field's text means.

    Attributes:
        values: The plain numbers, ascending.
        forms: The day forms that no number can say, as written.
        wildcard: Whether the text begins with `*` or `?`.
    """

    values: tuple[int, ...]
    forms: tuple[DayForm, ...]
    wildcard: bool


@dataclass(frozen=True, slots=True)
class FieldText:
    """A field's text and all that a refusal of it should name.

    Attributes:
        text: The text, or one item of its list.
        field: The field.
        expression: The whole expression.
        where: The file and line or the field of a config.
        job: The name of the job, which `H` is spread by.
    """

    text: str
    field: CronField
    expression: str
    where: str = ""
    job: str = ""

    def refusal(self, reason: str, mend: str) -> ScheduleInvalid:
        """The error that names the text and says why it is refused."""
        return ScheduleInvalid(
            f"{self.field.name} '{shortened(self.text)}' in schedule"
            f" '{shortened(self.expression)}' {reason}",
            where=self.where,
            mend=mend,
        )


def read_field(written: FieldText) -> FieldReading:
    """Read one field of an expression.

    Raises:
        ScheduleInvalid: The text means nothing in this field, or more than one thing.

    Example:
        >>> read_field(FieldText("22-2,12", HOUR, "0 22-2,12 * * *")).values
        (0, 1, 2, 12, 22, 23)
    """
    plain: list[str] = []
    forms: list[DayForm] = []
    for text in written.text.split(","):
        # Some letters beyond ASCII become ASCII ones as capitals.
        item = replace(written, text=text.upper() if text.isascii() else text)
        form = _day_form(item)
        if form is not None:
            forms.append(form)
        elif text == written.text == "?":
            plain.append("*")
        else:
            plain.append(_plain(item))
    return FieldReading(
        values=_expanded(",".join(plain), written.field) if plain else (),
        forms=tuple(dict.fromkeys(forms)),
        wildcard=written.text.startswith(("*", "?")),
    )


# The fields of many jobs are the same few, and croniter takes a good part of a millisecond.
@functools.lru_cache(maxsize=4_096)
def _expanded(plain: str, field: CronField) -> tuple[int, ...]:
    fields = [plain if each is field else "*" for each in FIELDS]
    seconds = plain if field is SECOND else "0"
    expanded, _ = croniter.expand(" ".join([seconds, *fields]), second_at_beginning=True)
    # Though the second is written first, croniter gives it last.
    values = expanded[[*FIELDS, SECOND].index(field)]
    return field.every if "*" in values else tuple(sorted(set(values)))


def _plain(item: FieldText) -> str:
    """The item in terms that croniter reads as Debian's cron does: numbers, no 7, no `a-a`."""
    spread = _SPREAD.fullmatch(item.text)
    if spread is not None:
        return _spread(item, spread)
    if item.text.startswith(("H", "R")):
        raise item.refusal(
            "leaves its value to chance in a way that has no meaning here",
            "write H, H(0-29) or H/15, which spread jobs by their names",
        )
    match = _ITEM.fullmatch(item.text)
    if match is None or (match["first"] == "*" and match["last"] is not None):
        raise _unreadable(item)
    step = _step(item, match, 1)
    if match["first"] == "*":
        return item.text
    first = _value(item, match["first"])
    if match["last"] is not None:
        last = _value(item, match["last"])
    else:
        last = first if match["step"] is None else _open_end(item, first, step)
    return _range(item, first, last, step)


def _range(item: FieldText, first: int, last: int, step: int) -> str:
    """A range in terms that croniter reads as Debian's cron does; see `_plain`."""
    if item.field is DAY_OF_WEEK and first == _SUNDAY_AS_SEVEN > last:
        first = 0
    if last < first:
        return _wrapped(item, first, last, step)
    if item.field is DAY_OF_WEEK and last == _SUNDAY_AS_SEVEN:
        # croniter turns 7 into 0 before it looks at the range, and then sees one that wraps.
        return ",".join(str(value % 7) for value in range(first, last + 1, step))
    if first == last:
        # croniter reads 1-1 as the whole cycle.
        return str(first)
    return f"{first}-{last}/{step}"


def _step(item: FieldText, match: re.Match[str], unwritten: int) -> int:
    step = unwritten if match["step"] is None else int(match["step"])
    if step == 0:
        raise item.refusal("has a step of 0", "use a step of 1 or more")
    return step


def _wrapped(item: FieldText, first: int, last: int, step: int) -> str:
    """The values of a range that goes over the field's end and on from its beginning."""
    field = item.field
    if field is DAY_OF_MONTH and step > 1:
        raise item.refusal(
            "is ambiguous: months differ in length, and so the step goes on from different days",
            f"write {first}-{field.high}/{step},{field.low}-{last}, or the days one by one",
        )
    cycle = len(field.every)
    values = range(first, last + cycle + 1, step)
    return ",".join(str((value - field.low) % cycle + field.low) for value in values)


def _spread(item: FieldText, match: re.Match[str]) -> str:
    """A value, or the first of many, that a hash of the job's name chooses, as Jenkins does."""
    if not item.job:
        raise item.refusal("is spread by the job's name, and there is none", "write a number")
    field = item.field
    if match["first"] is not None:
        first, last = _value(item, match["first"]), _value(item, match["last"])
    else:
        # Every month has 28 days.
        first, last = field.low, _SHORTEST_MONTH if field is DAY_OF_MONTH else field.high
    if last < first:
        raise item.refusal("is a range that runs backwards", f"write H({last}-{first})")
    count = last - first + 1
    step = _step(item, match, count)
    if step > count:
        raise item.refusal(
            f"has a step longer than its {count} values",
            f"use a step of 1 to {count}, or none for a single value",
        )
    digest = hashlib.sha256(f"{item.job}\0{field.name}".encode()).digest()
    start = first + int.from_bytes(digest[:8], "big") % step
    values = range(start, last + 1, step)
    return ",".join(str(value % 7 if field is DAY_OF_WEEK else value) for value in values)


def _value(item: FieldText, text: str) -> int:
    """A number or a name as its number; 7 stays 7, so that a range may end with it."""
    field = item.field
    limit = _SUNDAY_AS_SEVEN if field is DAY_OF_WEEK else field.high
    allowed = f"use {field.low} to {limit}"
    if field.names:
        allowed += f", or {field.names[0]} to {field.names[-1]}"
    if not text.isdigit():
        if text in field.names:
            return field.low + field.names.index(text)
        near = difflib.get_close_matches(text[:3], field.names, n=1)
        raise item.refusal(
            "names no value of the field" if field.names else "is no number",
            f"did you mean {near[0]}?" if near else allowed,
        )
    if len(text) > len(str(limit)) + 2 or not field.low <= int(text) <= limit:
        raise item.refusal(
            f"is out of range: {shortened(text)} is not {field.low} to {limit}", allowed
        )
    return int(text)


def _open_end(item: FieldText, first: int, step: int) -> int:
    """Where `a/n`, which names no end, ends: with the field, if that has one reading."""
    if item.field is DAY_OF_WEEK:
        to_saturday = {value % 7 for value in range(first, 7, step)}
        to_sunday = {value % 7 for value in range(first, 8, step)}
        if to_saturday != to_sunday:
            raise item.refusal(
                "is ambiguous: some crons count to Saturday, some to Sunday",
                f"write {first}-6/{step} or {first}-7/{step}"
                if first < _SUNDAY_AS_SEVEN
                else "write 0",
            )
    return item.field.high


def _day_form(item: FieldText) -> DayForm | None:
    """The item as a form that no number can say; None if it is something else."""
    if item.field is DAY_OF_MONTH:
        return _form_in_month(item)
    if item.field is DAY_OF_WEEK:
        return _form_in_week(item)
    if _DAY_FORM.fullmatch(item.text):
        raise item.refusal(
            "is for the day fields alone", f"write * or a number in the {item.field.name} field"
        )
    return None


def _form_in_month(item: FieldText) -> DayForm | None:
    if item.text == "LW":
        return LastWeekday()
    if match := _LAST_DAY.fullmatch(item.text):
        before = match["before"]
        if before is not None and (len(before) > 2 or not 1 <= int(before) <= 30):  # noqa: PLR2004 -- L-30 is the 1st of 31 days
            raise item.refusal(
                "is out of range: L takes 1 to 30 days away", "write L for the last day, or L-1"
            )
        return LastDay(int(before or 0))
    if match := _NEAREST_WEEKDAY.fullmatch(item.text):
        return NearestWeekday(_value(item, match["day"]))
    if "W" in item.text:
        raise item.refusal(
            "uses W with something else than one day",
            "write 15W for the Monday to Friday nearest to the 15th, LW for the month's last, or"
            " MON-FRI in the day of week field for all of them",
        )
    if "L" in item.text:
        raise item.refusal(
            "uses L in a way that can be read differently",
            "write L for the last day, L-3 for three days before it, a range such as 15-31 to go"
            " on to the month's end, or 5L in the day of week field for the last Friday",
        )
    if "#" in item.text:
        raise item.refusal(
            "uses #, which counts weekdays", "write it in the day of week field, such as MON#2"
        )
    return None


def _form_in_week(item: FieldText) -> DayForm | None:
    if match := _NTH_WEEKDAY.fullmatch(item.text):
        nth = match["nth"]
        if len(nth) > 1 or not 1 <= int(nth) <= _MOST_WEEKDAYS_IN_MONTH:
            raise item.refusal(
                "is out of range: a month has each weekday 4 or 5 times",
                "use #1 to #5, or 5L for the last Friday",
            )
        return NthWeekday(_value(item, match["day"]) % 7, int(nth))
    if match := _LAST_OF_WEEKDAY.fullmatch(item.text):
        return LastOfWeekday(_value(item, match["before"] or match["after"]) % 7)
    if item.text == "L":
        raise item.refusal(
            "is ambiguous: in some crons it is Saturday, in some Sunday",
            "write SAT or SUN; for the last Friday of the month 5L; for the last day of the month"
            " L in the day of month field",
        )
    if "#" in item.text:
        raise item.refusal(
            "uses # with something else than one weekday",
            "write each weekday with its number, such as MON#2,TUE#2",
        )
    if re.match(r"L\W|.*[^A-Z]L|.*[A-Z]{3}L", item.text):
        raise item.refusal(
            "uses L with something else than one weekday",
            "write 5L or FRIL for the last Friday of the month",
        )
    if re.search(r"[0-9L]W", item.text):
        raise item.refusal(
            "uses W, which is for the day of month", "write MON-FRI for all working days"
        )
    return None


def _unreadable(item: FieldText) -> ScheduleInvalid:
    if "?" in item.text:
        return item.refusal("joins ? with something else", "write ? alone, or * in its place")
    return item.refusal(
        "can't be read" if item.text else "has an empty place in its list",
        "write *, a value, a range a-b, or one of these with a step such as */5, joined by commas",
    )


def shortened(text: str) -> str:
    """A text that may be of any length, so that a message stays readable."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
