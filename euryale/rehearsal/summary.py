"""What a rehearsal has seen, put together: like calls in one group, with one sentence."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from euryale.rehearsal.activities import KnownActivity
from euryale.rehearsal.stage import Noted, What

SHOWN = 10
"""Things of a group that are named."""

_LONGEST = 60
"""Characters of one value that are shown."""

_PARTICLES = frozenset({"back", "up", "down", "out", "off", "in", "on", "over", "away"})
_PLURALS = frozenset({"all", "batch", "bulk", "each", "every", "many", "page"})

_MISSING = object()


@dataclass(frozen=True)
class Group:
    """Calls of one activity.

    Attributes:
        what: What they are; see `Noted`.
        name: The activity's name.
        sentence: What they would do, such as `update 200 products`.
        count: How many things they are about: calls, the items of the lists that they are given, or
            the rows of sweeps.
        common: The arguments that are the same in all of them.
        things: The first of the things that differ, in words.
        calls: The calls, in their order.
    """

    what: What
    name: str
    sentence: str
    count: int
    common: Mapping[str, Any]
    things: tuple[str, ...]
    calls: tuple[Noted, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the application that they were made at."""
        return tuple(dict.fromkeys(call.where for call in self.calls if call.where))


def grouped(noted: Iterable[Noted], activities: Mapping[str, KnownActivity]) -> list[Group]:
    """One group for each activity, in the order of their first calls."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Noted]] = {}
    for each in noted:
        shape = tuple(each.arguments) if each.what == "signal" else ()
        groups.setdefault((each.what, each.name, shape), []).append(each)
    return [_group(calls, activities) for calls in groups.values()]


def in_order(noted: Iterable[Noted], activities: Mapping[str, KnownActivity]) -> list[Group]:
    """One group for each activity and each time that its turn comes, since the order matters."""
    return [
        _group(list(calls), activities)
        for _, calls in groupby(noted, key=lambda each: (each.what, each.name))
    ]


def _group(calls: Sequence[Noted], activities: Mapping[str, KnownActivity]) -> Group:
    first = calls[0]
    known = activities.get(first.name)
    lists = [_items(call.arguments) for call in calls]
    items = (
        [item for each in lists for item in each or ()]
        if all(each is not None for each in lists)
        else None
    )
    count = len(calls) if items is None else len(items)
    if all(call.count is not None for call in calls):
        count = sum(call.count or 0 for call in calls)
    common = _common(calls)
    if items is None:
        things = [_brief_call(call.arguments, common) for call in calls[:SHOWN]]
    else:
        things = [brief(item) for item in items[:SHOWN]]
        common.pop(next(iter(first.arguments)), None)
    return Group(
        what=first.what,
        name=first.name,
        sentence=sentence(first.what, first.name, count, known.words if known else ""),
        count=count,
        common=common,
        things=tuple(thing for thing in things if thing),
        calls=tuple(calls),
    )


def sentence(what: str, name: str, count: int, words: str = "") -> str:
    """What some calls would do, in words.

    Args:
        what: What they are; see `Noted`.
        name: The activity's, the workflow's or the signal's name.
        count: How many things they are about.
        words: The words of its declaration, with `{}` for the count; made of the name if empty.

    Example:
        >>> sentence("mutation", "product.update", 1000)
        'update 1,000 products'
        >>> sentence("mutation", "cart.delete-expired", 1), sentence("mutation", "item.put_back", 2)
        ('delete 1 expired cart', 'put back 2 items')
        >>> sentence("mutation", "newsletter.send", 412, "send {} mails")
        'send 412 mails'
    """
    number = f"{count:,}"
    if words:
        return words.replace("{}", number)
    if what == "start":
        return f"start the workflow {name}" + (f" {number} times" if count > 1 else "")
    if what == "signal":
        return f"send the signal {name}" + (f" {number} times" if count > 1 else "")
    noun, _, method = name.rpartition(".")
    parts = method.replace("-", "_").split("_")
    parts = [part for part in parts if part and part not in _PLURALS] or [method]
    if not noun:
        return f"call {name}" + (f" {number} times" if count > 1 else "")
    verb, rest = parts[0], parts[1:]
    if rest and rest[0] in _PARTICLES:
        verb, rest = f"{verb} {rest[0]}", rest[1:]
    noun = noun.rpartition(".")[2].replace("_", " ").replace("-", " ")
    return " ".join([verb, number, *rest, noun if count == 1 else _plural(noun)])


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def _items(arguments: Mapping[str, Any]) -> list[Any] | None:
    """The things that a call is about where it is given a list of them: its first argument."""
    first = next(iter(arguments.values()), None)
    return first if isinstance(first, list) else None


def _common(calls: Sequence[Noted]) -> dict[str, Any]:
    """The arguments of several calls that never differ; of a single call, all but the first."""
    first = calls[0].arguments
    if len(calls) == 1:
        return dict(list(first.items())[1:])
    return {
        name: value
        for name, value in first.items()
        if all(call.arguments.get(name, _MISSING) == value for call in calls)
    }


def _brief_call(arguments: Mapping[str, Any], common: Mapping[str, Any]) -> str:
    told = [(name, value) for name, value in arguments.items() if name not in common]
    return " ".join(
        brief(value) if not number else f"{name}={brief(value)}"
        for number, (name, value) in enumerate(told)
    )


def brief(value: Any) -> str:
    """An argument in a few words.

    Example:
        >>> brief({"id": "prod_1", "title": "Mug"}), brief({"unknown": "cart.create.id"})
        ('prod_1', '<cart.create.id>')
        >>> brief(["a", "b"]), brief(None)
        ('2 items', 'null')
    """
    if isinstance(value, dict):
        if value.keys() == {"unknown"}:
            return f"<{value['unknown']}>"
        if "id" in value:
            return brief(value["id"])
        return brief(next(iter(value.values()))) if value else "{}"
    if isinstance(value, list):
        return f"{len(value):,} items" if len(value) != 1 else brief(value[0])
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
