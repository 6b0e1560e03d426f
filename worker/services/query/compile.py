"""Parsed queries as SQLAlchemy expressions: every value is a bound parameter."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    REAL,
    Boolean,
    ColumnElement,
    Float,
    FromClause,
    UnaryExpression,
    and_,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from worker.services.query.catalog import Entity, Kind, find_entity
from worker.services.query.filters import All, Comparison, Condition, Not, Related, Some
from worker.services.query.json_path import json_value
from worker.services.query.pagination import Order
from worker.store.engine import Dialect

Expression = ColumnElement[Any]

_COMPARE: dict[str, Callable[[Expression, Any], ColumnElement[bool]]] = {
    "$eq": lambda column, value: column.is_(None) if value is None else column == value,
    "$ne": lambda column, value: column.is_not(None) if value is None else column != value,
    "$in": lambda column, value: column.in_(value),
    "$nin": lambda column, value: column.not_in(value),
    "$gt": lambda column, value: column > value,
    "$gte": lambda column, value: column >= value,
    "$lt": lambda column, value: column < value,
    "$lte": lambda column, value: column <= value,
    "$re": lambda column, value: column.regexp_match(value),
}


def compile_condition(
    condition: Condition, of: Entity, source: FromClause, dialect: Dialect, *, with_deleted: bool
) -> ColumnElement[bool]:
    """A condition over the rows of `source`, which is the entity's table or an alias of it.

    As in SQL and in Medusa, a comparison with a null field is unknown, also when negated.
    """

    def compiled(part: Condition) -> ColumnElement[bool]:
        return compile_condition(part, of, source, dialect, with_deleted=with_deleted)

    if isinstance(condition, Comparison):
        return _comparison(condition, of, source, dialect)
    if isinstance(condition, Not):
        return not_(compiled(condition.part))
    if isinstance(condition, All):
        return and_(true(), *(compiled(part) for part in condition.parts))
    if isinstance(condition, Some):
        return or_(*(compiled(part) for part in condition.parts))
    return _related(condition, source, dialect, with_deleted=with_deleted)


def compile_order(
    order: Order, of: Entity, source: FromClause, *, with_deleted: bool
) -> UnaryExpression[Any]:
    """A term of ORDER BY, with nulls where Postgres puts them by itself."""
    column = _reach(order.relations, order.field, of, source, with_deleted=with_deleted)
    return column.desc().nulls_first() if order.descending else column.asc().nulls_last()


def _reach(
    relations: tuple[str, ...], field: str, of: Entity, source: FromClause, *, with_deleted: bool
) -> Expression:
    """The field at the end of a path of relations, as subqueries for one value each."""
    if not relations:
        return source.c[field]
    relation = of.relations[relations[0]]
    target = find_entity(relation.entity)
    alias = target.table.alias()
    column = _reach(relations[1:], field, target, alias, with_deleted=with_deleted)
    statement = select(column).where(alias.c[relation.remote_column] == source.c[relation.column])
    if not with_deleted:
        statement = statement.where(alias.c.deleted_at.is_(None))
    return statement.correlate(source).scalar_subquery()


def _related(
    condition: Related, source: FromClause, dialect: Dialect, *, with_deleted: bool
) -> ColumnElement[bool]:
    relation = condition.relation
    target = find_entity(relation.entity)
    alias = target.table.alias()
    statement = select(literal(1)).where(
        alias.c[relation.remote_column] == source.c[relation.column],
        compile_condition(condition.condition, target, alias, dialect, with_deleted=with_deleted),
    )
    if not with_deleted:
        statement = statement.where(alias.c.deleted_at.is_(None))
    return statement.correlate(source).exists()


def _comparison(
    comparison: Comparison, of: Entity, source: FromClause, dialect: Dialect
) -> ColumnElement[bool]:
    column: Expression = source.c[comparison.field]
    value = comparison.value
    if comparison.path:
        column = json_value(column, comparison.path, value, dialect)
    elif of.fields[comparison.field] is Kind.NUMBER:
        # A value of 32 bits never equals the 64 bits of the number that was written for it.
        value = _narrow(value)
    if comparison.operator in ("$like", "$ilike"):
        return _like(column, value, dialect, ignore_case=comparison.operator == "$ilike")
    return _COMPARE[comparison.operator](column, value)


def _narrow(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_narrow(each) for each in value)
    return None if value is None else cast(literal(value, Float(53)), REAL)


def _like(
    column: Expression, pattern: str, dialect: Dialect, *, ignore_case: bool
) -> ColumnElement[bool]:
    if dialect == "sqlite":
        return func.like_matches(column, pattern, int(ignore_case), type_=Boolean())
    return column.ilike(pattern) if ignore_case else column.like(pattern)
