"""Days as a time zone has them: from one midnight to the next."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_of(moment: datetime, time_zone: str) -> date:
    """The date that the wall clocks of an IANA time zone show at a moment.

    Example:
        >>> day_of(datetime(2026, 6, 30, 22, 30, tzinfo=UTC), "Europe/Berlin")
        datetime.date(2026, 7, 1)
    """
    return moment.astimezone(ZoneInfo(time_zone)).date()


def midnights(day: date, time_zone: str) -> tuple[datetime, datetime]:
    """A day's first moment and the next day's, in UTC: 23 or 25 hours when clocks are changed.

    Example:
        >>> begin, end = midnights(date(2025, 10, 26), "Europe/Berlin")
        >>> begin.isoformat(), str(end - begin)
        ('2025-10-25T22:00:00+00:00', '1 day, 1:00:00')
    """
    zone = ZoneInfo(time_zone)
    return (
        datetime.combine(day, time.min, zone).astimezone(UTC),
        datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC),
    )
