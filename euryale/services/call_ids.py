"""The ids of durable calls, and those of the activities that carry many of them.

A call bears its method's name and a number that no other of its run has: `product.update/12`. An
activity that carries one call bears that call's id; one that carries many names their numbers:
`product.update[12-511]`. So a history tells which calls an activity carried without any payload
being read.
"""

import re
from collections.abc import Iterator, Sequence

LONGEST = 200
"""Characters of an activity's id at the most; a server may allow no more than 255."""

_MANY = re.compile(r"(.+)\[(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)\]")


def call_id(name: str, number: int) -> str:
    """The id of one call.

    Example:
        >>> call_id("product.update", 12)
        'product.update/12'
    """
    return f"{name}/{number}"


def activity_id(name: str, numbers: Sequence[int]) -> str:
    """The id of an activity that carries the calls of these numbers.

    Example:
        >>> activity_id("product.update", [12]), activity_id("product.update", [1, 2, 3, 7])
        ('product.update/12', 'product.update[1-3,7]')
    """
    if len(numbers) == 1:
        return call_id(name, numbers[0])
    return f"{name}[{','.join(_ranges(numbers))}]"


def as_many_as_fit(name: str, numbers: Sequence[int]) -> int:
    """How many of these numbers, from the first, an activity's id can name."""
    length, count = len(name) + 2, 0
    for text, size in _counted_ranges(numbers):
        length += len(text) + 1
        if length > LONGEST and count:
            break
        count += size
    return count


def calls_carried(activity: str) -> tuple[str, ...]:
    """The ids of the calls that an activity of this id carries.

    Example:
        >>> calls_carried("product.update[1-3,7]")
        ('product.update/1', 'product.update/2', 'product.update/3', 'product.update/7')
        >>> calls_carried("product.update/12"), calls_carried("7")
        (('product.update/12',), ('7',))
    """
    found = _MANY.fullmatch(activity)
    if found is None:
        return (activity,)
    name, text = found.groups()
    return tuple(call_id(name, number) for number in _numbers(text))


def count_carried(activity: str) -> int:
    """How many calls an activity of this id carries.

    Example:
        >>> count_carried("product.update[1-3,7]"), count_carried("7")
        (4, 1)
    """
    found = _MANY.fullmatch(activity)
    return 1 if found is None else sum(1 for _ in _numbers(found.group(2)))


def _numbers(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _ranges(numbers: Sequence[int]) -> list[str]:
    return [text for text, _ in _counted_ranges(numbers)]


def _counted_ranges(numbers: Sequence[int]) -> Iterator[tuple[str, int]]:
    first = last = numbers[0]
    for number in (*numbers[1:], -1):
        if number == last + 1:
            last = number
            continue
        yield (str(first) if first == last else f"{first}-{last}"), last - first + 1
        first = last = number
