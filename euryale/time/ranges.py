"""Values as Temporal's ranges with steps, so that a calendar stays readable in the Web UI."""

from collections.abc import Sequence
from itertools import pairwise

from temporalio.client import ScheduleRange

_SHORTEST_PROGRESSION = 3


def ranges(values: Sequence[int]) -> tuple[ScheduleRange, ...]:
    """Fold ascending values into ranges with steps, from the left, the longest first.

    Example:
        >>> [(part.start, part.end, part.step) for part in ranges([0, 15, 30, 45, 59])]
        [(0, 45, 15), (59, 59, 1)]
    """
    folded = []
    rest = values
    while rest:
        length = _progression(rest)
        if length >= _SHORTEST_PROGRESSION:
            folded.append(ScheduleRange(rest[0], rest[length - 1], rest[1] - rest[0]))
        else:
            length = 1
            folded.append(ScheduleRange(rest[0]))
        rest = rest[length:]
    return tuple(folded)


def _progression(values: Sequence[int]) -> int:
    """How many of the values, from the first on, lie at equal distances."""
    distances = [later - earlier for earlier, later in pairwise(values)]
    length = 0
    while length < len(distances) and distances[length] == distances[0]:
        length += 1
    return length + 1
