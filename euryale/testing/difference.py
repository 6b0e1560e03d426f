"""What differs between snapshots: from the state before, and between two ends of equal runs.

Two runs that did the same don't leave the same bytes: ids are drawn, times are stamped. So what
differs between two undisturbed runs is learned, and only that may differ in a disturbed one.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
"""The keys that lead to a value: `("cart", "cart_1", "deleted_at")`."""

ANY: Final = "*"
"""Stands for a key that is another one after each run."""

_ABSENT: Final = object()
_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs.

    Attributes:
        path: Where.
        before: What it was.
        after: What it is.
    """

    path: Path
    before: Any
    after: Any

    @property
    def part(self) -> str:
        """The part of the snapshot that it lies in: its first key, such as a table."""
        return self.path[0] if self.path else ""

    def __str__(self) -> str:
        place = "/".join(map(_cut, self.path)) or "the snapshot"
        if self.before is _ABSENT:
            return f"{place} is there and was not: {_brief(self.after)}"
        if self.after is _ABSENT:
            return f"{place} is gone; it was {_brief(self.before)}"
        return f"{place} is {_brief(self.after)} and was {_brief(self.before)}"


def changes(before: Any, after: Any, path: Path = ()) -> Iterator[Change]:
    """What differs between two snapshots, as far down as both have the same keys.

    Example:
        >>> before, after = {"cart": {"1": {"qty": 2}}}, {"cart": {"1": {"qty": 3}, "2": {}}}
        >>> for change in changes(before, after):
        ...     print(change)
        cart/1/qty is 3 and was 2
        cart/2 is there and was not: {}
    """
    one, other = _children(before), _children(after)
    if one is None or other is None:
        if before != after:
            yield Change(path, before, after)
        return
    for key in dict.fromkeys((*one, *other)):
        yield from _between(one.get(key, _ABSENT), other.get(key, _ABSENT), (*path, key))


def _between(before: Any, after: Any, path: Path) -> Iterator[Change]:
    if before is _ABSENT or after is _ABSENT:
        yield Change(path, before, after)
    else:
        yield from changes(before, after, path)


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that a run left too often, or not often enough.

    Attributes:
        path: Where; `*` stands for a key that is drawn.
        value: The value, with `…` for what is stamped.
        wanted: How often an undisturbed run leaves it there.
        found: How often this one did.

    Example:
        >>> str(Difference(("account", "bert", "balance"), "10", wanted=0, found=1))
        'account/bert/balance is 10, which it is not after an undisturbed run'
    """

    path: Path
    value: str
    wanted: int
    found: int

    @property
    def part(self) -> str:
        """As with `Change`."""
        return self.path[0] if self.path else ""

    def __str__(self) -> str:
        place = "/".join(map(_cut, self.path)) or "the snapshot"
        told = f"{place} is {_cut(self.value)}"
        if not self.wanted:
            return f"{told}, which it is not after an undisturbed run"
        if not self.found:
            return f"{place} is not {_cut(self.value)}, which it is after an undisturbed run"
        return f"{told} {self.found} times, after an undisturbed run {self.wanted} times"


class Ends:
    """What the end of an undisturbed run is, apart from what is drawn or stamped."""

    def __init__(self, first: Iterable[Change], second: Iterable[Change]) -> None:
        """Learn it from what two undisturbed runs changed.

        Args:
            first: What the first one changed.
            second: What the second one changed.
        """
        self._drawn: frozenset[Path] = frozenset()
        self._stamped: frozenset[tuple[Path, Path]] = frozenset()
        first, second = list(first), list(second)
        added = [_added(each) for each in (first, second)]
        self._drawn = frozenset(
            parent
            for parent in added[0].keys() | added[1].keys()
            if added[0].get(parent) != added[1].get(parent)
        )
        values = [self._values(each) for each in (first, second)]
        self._stamped = frozenset(
            place
            for place in values[0].keys() | values[1].keys()
            if values[0].get(place) != values[1].get(place)
        )
        self._wanted = self._entries(first)
        self.unequal = self.differences(second)
        """What differs between the two undisturbed runs beyond what is drawn or stamped."""

    def differences(self, changed: Iterable[Change]) -> list[Difference]:
        """How what a run changed differs from what an undisturbed one changes; none if it doesn't.

        Args:
            changed: What the run changed.
        """
        found = self._entries(changed)
        return [
            Difference(place, text, wanted=self._wanted[place, text], found=found[place, text])
            for place, text in dict.fromkeys((*self._wanted, *found))
            if self._wanted[place, text] != found[place, text]
        ]

    def _entries(self, changed: Iterable[Change]) -> Counter[tuple[Path, str]]:
        """How often each place got each value, less what is drawn or stamped."""
        entries: Counter[tuple[Path, str]] = Counter()
        for change in changed:
            place = self._place(change)
            told = [
                (leaf, "…" if (place, leaf) in self._stamped else _text(value))
                for leaf, value in _leaves(change.after)
            ]
            text = ", ".join(f"{'/'.join(leaf)}={value}" if leaf else value for leaf, value in told)
            entries[place, text] += 1
        return entries

    def _values(self, changed: Iterable[Change]) -> dict[tuple[Path, Path], Counter[str]]:
        values: dict[tuple[Path, Path], Counter[str]] = {}
        for change in changed:
            place = self._place(change)
            for leaf, value in _leaves(change.after):
                values.setdefault((place, leaf), Counter())[_text(value)] += 1
        return values

    def _place(self, change: Change) -> Path:
        parent = change.path[:-1]
        drawn = change.before is _ABSENT and (
            parent in self._drawn or (change.path[-1:] and change.path[-1].startswith("["))
        )
        return (*parent, ANY) if drawn else change.path


def _added(changed: Iterable[Change]) -> dict[Path, set[str]]:
    added: dict[Path, set[str]] = {}
    for change in changed:
        if change.before is _ABSENT and change.path:
            added.setdefault(change.path[:-1], set()).add(change.path[-1])
    return added


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    children = _children(value)
    if not children:
        yield path, value
        return
    for key, child in children.items():
        yield from _leaves(child, (*path, key))


def _children(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return {str(key): child for key, child in value.items()}
    if isinstance(value, list | tuple):
        return {f"[{place}]": child for place, child in enumerate(value)}
    return None


def _text(value: Any) -> str:
    return "gone" if value is _ABSENT else json.dumps(value, default=repr, sort_keys=True)


def _brief(value: Any) -> str:
    return _cut(_text(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"
