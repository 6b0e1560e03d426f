"""Filters as Medusa writes them, parsed into frozen conditions; what means nothing is refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.services.errors import OperatorUnknown, QueryInvalid, known_names
from worker.services.query.catalog import Entity, Kind, Relation, find_entity, unknown_field
from worker.services.query.values import parse_json_value, parse_value

_GROUPS = ("$and", "$or", "$not")
_EQUALITY = ("$eq", "$ne")
_LISTS = ("$in", "$nin")
_ORDER = ("$gt", "$gte", "$lt", "$lte")
_PATTERNS = ("$like", "$ilike", "$re")
_COMPARISONS = (*_EQUALITY, *_LISTS, *_ORDER, *_PATTERNS)
_OPERATORS = [*_GROUPS, *_COMPARISONS]

_DEEPEST = 32
"""Nested filters beyond this are a mistake; Python and both databases have limits of their own."""

_LONGEST_LIST = 30_000
"""SQLite takes 32,766 parameters in one statement."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field, or a path inside of a JSON field, compared with a value or a tuple of values."""

    field: str
    operator: str
    value: Any
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; also when there is none."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. What is unknown, because a field is null, stays unknown."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Related:
    """At least one related entity meets the condition."""

    relation: Relation
    condition: "Condition"


Condition = Comparison | All | Some | Not | Related


def parse_filters(of: Entity, filters: object, place: str = "filters") -> Condition:
    """Filters over an entity, as one condition.

    A field is given a value (equals), a list (one of), None (is null) or operators; a relation is
    given filters of its own, or None (there is none); JSON is given filters over its keys.

    Args:
        of: The entity whose fields they name.
        filters: A dictionary; all of its entries must hold.
        place: Where in the query this stands, for messages.

    Raises:
        FieldUnknown: A name is no field or relation of its entity.
        OperatorUnknown: A name that begins with `$` is no operator.
        QueryInvalid: A value is of a wrong type or shape.

    Example:
        >>> parse_filters(find_entity("product"), {"status": "draft"}).parts[0]
        Comparison(field='status', operator='$eq', value='draft', path=())
    """
    _check_depth(place)
    parts: list[Condition] = []
    for name, value in _dictionary(filters, place).items():
        here = f"{place}.{name}"
        if name.startswith("$"):
            parts.append(_group(name, value, here, lambda each, at: parse_filters(of, each, at)))
        elif name in of.relations:
            parts.append(_related(of.relations[name], value, here))
        elif name in of.fields:
            parts.append(_field(_Operand(name, of.fields[name]), value, here))
        else:
            raise unknown_field(of, name, place)
    return All(tuple(parts))


def _group(
    name: str, value: object, place: str, parse: Callable[[object, str], Condition]
) -> Condition:
    """`$and`, `$or` and `$not`, over whatever `parse` makes of their operands."""
    _check_depth(place)
    if name == "$not":
        return Not(parse(value, place))
    if name not in _GROUPS:
        if name in _COMPARISONS:
            raise QueryInvalid(
                f"{place}: {name} compares a field: write {{FIELD: {{{name!r}: …}}}}"
            )
        raise _unknown_operator(name, place)
    if not isinstance(value, list | tuple) or not value:
        raise QueryInvalid(f"{place}: {name} takes a list of at least one filter")
    parts = tuple(parse(each, f"{place}[{index}]") for index, each in enumerate(value))
    return All(parts) if name == "$and" else Some(parts)


def _related(relation: Relation, value: object, place: str) -> Condition:
    if value is None:
        return Not(Related(relation, All(())))
    return Related(relation, parse_filters(find_entity(relation.entity), value, place))


@dataclass(frozen=True, slots=True)
class _Operand:
    """What stands on the left of an operator: a field, or a path inside of a JSON field."""

    field: str
    kind: Kind
    path: tuple[str, ...] = ()


def _field(left: _Operand, value: object, place: str) -> Condition:
    if not isinstance(value, Mapping):
        operator = "$in" if isinstance(value, list | tuple) else "$eq"
        return _comparison(left, operator, value, place)
    operators = _dictionary(value, place)
    if left.kind is Kind.JSON and not any(name.startswith("$") for name in operators):
        return _json(left, operators, place)
    if not operators:
        raise QueryInvalid(f"{place}: no operator is given: write one of {', '.join(_OPERATORS)}")
    parts: list[Condition] = []
    for name, operand in operators.items():
        here = f"{place}.{name}"
        if name in _GROUPS:
            parts.append(_group(name, operand, here, lambda each, at: _field(left, each, at)))
        else:
            parts.append(_comparison(left, name, operand, here))
    return All(tuple(parts))


def _json(left: _Operand, keys: Mapping[str, object], place: str) -> Condition:
    """Filters over the keys of the JSON object on the left."""
    _check_depth(place)
    parts = []
    for key, value in keys.items():
        if not key or any(character in '"\\' or character < " " for character in key):
            raise QueryInvalid(f"{place}: {key!r} can't be a key of a JSON path")
        inside = replace(left, path=(*left.path, key))
        parts.append(_field(inside, value, f"{place}.{key}"))
    return All(tuple(parts))


def _comparison(left: _Operand, operator: str, value: object, place: str) -> Condition:
    field, kind, path = left.field, left.kind, left.path
    if operator not in _COMPARISONS:
        raise _unknown_operator(operator, place)
    if operator in _EQUALITY and value is None:
        return Comparison(field, operator, None, path)
    if kind is Kind.JSON and not path:
        raise QueryInvalid(
            f"{place}: {field} is JSON: compare its keys, as in {{{field!r}: {{KEY: VALUE}}}}"
        )
    if operator in _LISTS:
        return Comparison(field, operator, _values(kind, value, place), path)
    parsed = parse_json_value(value, place) if path else parse_value(kind, value, place)
    if operator in _PATTERNS:
        if not isinstance(parsed, str):
            raise QueryInvalid(f"{place}: {operator} compares text with a pattern")
        _check_pattern(operator, parsed, place)
    if operator in _ORDER and isinstance(parsed, bool):
        raise QueryInvalid(f"{place}: {operator} has no meaning for true and false")
    return Comparison(field, operator, parsed, path)


def _values(kind: Kind, value: object, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise QueryInvalid(f"{place}: a list of values is needed, not {type(value).__name__}")
    if len(value) > _LONGEST_LIST:
        raise QueryInvalid(
            f"{place}: {len(value)} values are too many for one query; give {_LONGEST_LIST} at most"
        )
    if None in value:
        raise QueryInvalid(f"{place}: null is in no list; write $or with {{FIELD: null}}")
    if kind is not Kind.JSON:
        return tuple(parse_value(kind, each, place) for each in value)
    parsed = tuple(parse_json_value(each, place) for each in value)
    if len({isinstance(each, str) + 2 * isinstance(each, bool) for each in parsed}) > 1:
        raise QueryInvalid(f"{place}: the values of a list must be of one type")
    return parsed


def _check_pattern(operator: str, pattern: str, place: str) -> None:
    if operator == "$re":
        try:
            re.compile(pattern)
        except re.error as error:
            raise QueryInvalid(f"{place}: no regular expression: {error}") from None
    elif (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise QueryInvalid(f"{place}: a pattern can't end with a single backslash")


def _dictionary(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise QueryInvalid(
            f"{place}: a dictionary with names as keys is needed, not {type(value).__name__}"
        )
    return value


def _check_depth(place: str) -> None:
    """The place has grown by a dot or a bracket at each level."""
    if place.count(".") + place.count("[") > _DEEPEST:
        raise QueryInvalid(f"filters: nested more than {_DEEPEST} deep")


def _unknown_operator(name: str, place: str) -> Exception:
    if not name.startswith("$"):
        return QueryInvalid(f"{place}: {name!r} stands among operators, which begin with $")
    return OperatorUnknown(f"{place}: no operator {name!r}: {known_names(name, _OPERATORS)}")
