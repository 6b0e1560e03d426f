"""The values of a filter, checked against what their field holds.

Both databases would answer a comparison of different types, one by an error and one by nonsense.
"""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.services.errors import QueryInvalid
from worker.services.query.catalog import Kind

_LARGEST_INTEGER = 2**31 - 1
_LARGEST_EXPONENT = 30
"""Of ten: within it a number fits also into 32 bits."""


def parse_value(kind: Kind, value: object, place: str) -> Any:
    """A value as its column takes it.

    Dates may be ISO 8601 texts with an offset; a day alone is its midnight in UTC, as in
    JavaScript.

    Raises:
        QueryInvalid: It is not what the field holds.
    """
    if kind is Kind.TEXT and isinstance(value, str):
        return _text(value, place)
    if kind is Kind.BOOLEAN and isinstance(value, bool):
        return value
    if kind is Kind.INTEGER and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _LARGEST_INTEGER:
            raise QueryInvalid(f"{place}: {value} is beyond an integer of 32 bits")
        return value
    if kind is Kind.NUMBER:
        return float(_number(value, place))
    if kind is Kind.AMOUNT:
        return _number(value, place)
    if kind is Kind.DATE:
        return _date(value, place)
    raise QueryInvalid(f"{place}: a {kind.value} is needed, not {type(value).__name__}")


def parse_json_value(value: object, place: str) -> str | bool | float:
    """A value to compare with one inside of a JSON field: a text, a number, true or false.

    Raises:
        QueryInvalid: It is none of these.
    """
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(_number(value, place))
    raise QueryInvalid(
        f"{place}: JSON is compared with a text, a number, true or false, "
        f"not with {type(value).__name__}"
    )


def _text(value: str, place: str) -> str:
    if "\0" in value:
        raise QueryInvalid(f"{place}: a text can't hold the character of code 0")
    # A StrEnum's member is a text to us, but not to every driver.
    return str(value)


def _number(value: object, place: str) -> Decimal:
    """A number, by its decimal digits; a text because an amount travels as one in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise QueryInvalid(f"{place}: a number is needed, not {type(value).__name__}")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise QueryInvalid(f"{place}: {value!r} is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise QueryInvalid(f"{place}: {value} is beyond the numbers that the shop stores")
    return number


def _date(value: object, place: str) -> datetime:
    if isinstance(value, str):
        value = _parse_date(value, place)
    if not isinstance(value, datetime):
        raise QueryInvalid(f"{place}: a date is needed, not {type(value).__name__}")
    if value.tzinfo is None:
        raise QueryInvalid(f"{place}: {value.isoformat()} has no time zone; add one, such as Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise QueryInvalid(f"{place}: {value.isoformat()} is out of range") from None


def _parse_date(value: str, place: str) -> datetime:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        pass
    else:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise QueryInvalid(f"{place}: {value!r} is no date in ISO 8601") from None
