"""The order in which work is taken back: backwards, and side by side what was done side by side."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Generic, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Span(Generic[T_co]):
    """Some work between two moments.

    Attributes:
        begun: When it began, on any clock that never shows the same twice.
        ended: When it ended, on the same clock.
        work: What it was.
    """

    begun: int
    ended: int
    work: T_co


def reversed_layers(spans: Iterable[Span[T]]) -> list[list[T]]:
    """What to take back at once, and in which order.

    Work that began after another had ended may build on it, so it's taken back before it. Work of
    which neither waited for the other is taken back together.

    Example:
        >>> one_by_one = [Span(1, 2, "a"), Span(3, 4, "b")]
        >>> side_by_side = [Span(5, 8, "c"), Span(6, 7, "d")]
        >>> reversed_layers(one_by_one + side_by_side)
        [['d', 'c'], ['b'], ['a']]
    """
    ordered = sorted(spans, key=attrgetter("ended"))
    last_begins = list(accumulate((span.begun for span in ordered), max))
    layers: list[list[T]] = []
    while ordered:
        # Nothing that is left began after these had ended.
        last_begin = last_begins[len(ordered) - 1]
        layer = [ordered.pop()]
        while ordered and ordered[-1].ended > last_begin:
            layer.append(ordered.pop())
        layers.append([span.work for span in sorted(layer, key=attrgetter("begun"), reverse=True)])
    return layers
