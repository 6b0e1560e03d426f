"""How fast a sweep goes, and how long it will take."""

from collections import deque
from datetime import datetime, timedelta

_WINDOW = timedelta(minutes=1)
_APART = timedelta(seconds=1)


class Tempo:
    """Rows a second over the last minute.

    Example:
        >>> tempo = Tempo(datetime(2026, 1, 1), 0)
        >>> tempo.note(datetime(2026, 1, 1, 0, 0, 10), 5_000)
        >>> tempo.rate, tempo.seconds_for(20_000)
        (500.0, 40.0)
    """

    def __init__(self, now: datetime, rows: int) -> None:
        self._seen = deque([(now, rows)])
        self._last = (now, rows)

    def note(self, now: datetime, rows: int) -> None:
        """Take down how many rows are done by now."""
        self._last = (now, rows)
        if now - self._seen[-1][0] >= _APART:
            self._seen.append((now, rows))
        while len(self._seen) > 1 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Rows a second; 0 where nothing can be told yet."""
        (begin, before), (end, after) = self._seen[0], self._last
        seconds = (end - begin).total_seconds()
        return (after - before) / seconds if seconds > 0 else 0.0

    def seconds_for(self, rows: int) -> float | None:
        """How long so many rows take; None where that can't be told."""
        return rows / self.rate if self.rate > 0 else None
