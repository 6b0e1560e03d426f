"""Which part of the result is wanted, and in which order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict  # what pydantic reads below Python 3.12

from worker.services.errors import QueryInvalid, known_names
from worker.services.query.catalog import Entity, Kind, find_entity, unknown_field


class Pagination(TypedDict, total=False):
    """Medusa's pagination.

    Attributes:
        skip: How many to leave out at the beginning. Given, also as 0, the result is counted.
        take: How many at most; all if absent.
        order: `"ASC"` or `"DESC"` for each field, the first one weighing most; a relation to one
            entity is given an order of its own. Nulls come last in ascending order. Ties, and
            everything if no order is given, are ordered by ascending id.
    """

    skip: int
    take: int
    order: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """A field to order by, at the end of a path of relations that each lead to one entity."""

    relations: tuple[str, ...]
    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed pagination."""

    skip: int | None = None
    take: int | None = None
    order: tuple[Order, ...] = ()


def parse_pagination(of: Entity, pagination: object) -> Page:
    """A pagination over an entity.

    Raises:
        FieldUnknown: The order names what is no field of the entity.
        QueryInvalid: Something else in it means nothing.
    """
    if pagination is None:
        return Page()
    if not isinstance(pagination, Mapping):
        raise QueryInvalid("pagination: a dictionary of skip, take and order is needed")
    known = list(Pagination.__annotations__)
    for name in pagination:
        if name not in known:
            raise QueryInvalid(f"pagination: no key {name!r}: {known_names(str(name), known)}")
    return Page(
        skip=_count(pagination, "skip"),
        take=_count(pagination, "take"),
        order=tuple(_order(of, pagination.get("order") or {}, (), "pagination.order")),
    )


def _count(pagination: Mapping[str, object], name: str) -> int | None:
    value = pagination.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise QueryInvalid(f"pagination.{name}: a number of rows is needed, not {value!r}")
    return value


def _order(of: Entity, order: object, relations: tuple[str, ...], place: str) -> list[Order]:
    if not isinstance(order, Mapping):
        raise QueryInvalid(f"{place}: a dictionary of fields and directions is needed")
    parsed: list[Order] = []
    for name, direction in order.items():
        here = f"{place}.{name}"
        if name in of.relations:
            relation = of.relations[name]
            if relation.many:
                raise QueryInvalid(f"{here}: {of.name} can have several {name}: none to order by")
            parsed += _order(find_entity(relation.entity), direction, (*relations, name), here)
        elif name not in of.fields:
            raise unknown_field(of, str(name), place)
        elif of.fields[name] is Kind.JSON:
            raise QueryInvalid(f"{here}: JSON has no order")
        elif not isinstance(direction, str) or direction.upper() not in ("ASC", "DESC"):
            raise QueryInvalid(f"{here}: a direction is ASC or DESC, not {direction!r}")
        else:
            parsed.append(Order(relations, name, direction.upper() == "DESC"))
    return parsed
