"""What SQLite and Postgres say in different words: rows as JSON, and back.

An image of a row is the JSON of some of its columns, made and read by the database alone: no value
passes through Python, where a type could change it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    LargeBinary,
    Numeric,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, UnaryExpression
from sqlalchemy.sql.operators import and_ as and_operator
from sqlalchemy.sql.operators import custom_op, ge, gt, le, lt

from euryale.errors import SweepInvalid

DIALECTS = ("sqlite", "postgresql")

Value = ColumnElement[Any]


def refuse_unknown(dialect: str) -> None:
    """Refuse a database that sweeps don't know.

    Raises:
        SweepInvalid: It is one.
    """
    if dialect not in DIALECTS:
        raise SweepInvalid(
            f"a sweep can't go over rows in {dialect}",
            mend=f"it knows {' and '.join(DIALECTS)}",
        )


def hidden(
    condition: ColumnElement[bool],
    dialect: str,
    *,
    but_below: Column[Any] | None = None,
    but_above: Column[Any] | None = None,
) -> ColumnElement[bool]:
    """The condition, so that SQLite goes along the key and not along another index.

    Without statistics it takes any index of a column that is compared for equality to be better
    than a range, and would look at all rows of the query for every batch.

    Args:
        condition: The query's own.
        dialect: The database's.
        but_below: A key of which it may see what bounds it from below: a range of a large table is
            found at once then. It can use one bound only, so where the sweep sets one, no other
            must be seen.
        but_above: The same from above.
    """
    if dialect != "sqlite":
        return condition
    is_and = isinstance(condition, BooleanClauseList) and condition.operator is and_operator
    parts: Sequence[Any] = condition.clauses if is_and else (condition,)
    seen = [
        _bounds(part, but_below, (gt, ge)) or _bounds(part, but_above, (lt, le)) for part in parts
    ]
    return and_(
        true(), *(part if one else _hidden(part) for part, one in zip(parts, seen, strict=True))
    )


def _bounds(condition: Any, key: Column[Any] | None, operators: Sequence[Any]) -> bool:
    return (
        key is not None
        and isinstance(condition, BinaryExpression)
        and condition.operator in operators
        and isinstance(condition.left, Column)
        and condition.left.shares_lineage(key)
    )


def _hidden(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return UnaryExpression(condition.self_group(), operator=custom_op("+"), type_=condition.type)


def image(values: Mapping[str, Value], columns: Mapping[str, Column[Any]], dialect: str) -> Value:
    """The JSON of what columns hold, or would hold.

    Args:
        values: What each column holds, by its name.
        columns: The columns by their names.
        dialect: The database's.
    """
    parts: list[Any] = []
    for name, value in values.items():
        parts += [literal(name, Text(), literal_execute=True), _part(value, columns[name], dialect)]
    if dialect == "sqlite":
        return func.json_object(*parts, type_=Text())
    return cast(func.json_build_object(*parts), Text())


def _part(value: Value, column: Column[Any], dialect: str) -> Value:
    if dialect == "postgresql":
        # As text, which Postgres reads back into the same value of any type.
        return cast(value if value is column else cast(value, column.type), Text())
    if isinstance(_plain(column), LargeBinary):
        raise SweepInvalid(
            f"SQLite can't write {column.table}.{column.key} as JSON, in which it would be kept "
            "for the undo",
            mend="let the undo be a method, and keep what that needs by batch.keep",
        )
    if not isinstance(_plain(column), Numeric | Float):
        return value
    number = value if value is column else cast(value, column.type)
    # JSON of SQLite has fifteen digits of a number only; and a column may hold 1.0 as 1.
    whole = cast(number, BigInteger())
    is_broken = and_(func.typeof(number) == "real", number != whole)
    is_real = func.typeof(number) == "real"
    return case((is_broken, func.printf("%!.17g", number)), (is_real, whole), else_=number)


def _plain(column: Column[Any]) -> Any:
    """The type of a column, without what an application put around it."""
    return getattr(column.type, "impl_instance", column.type)


def key_image(key: Sequence[Column[Any]], dialect: str) -> Value:
    """The JSON of a row's key."""
    if dialect == "sqlite":
        return func.json_array(*key, type_=Text())
    return cast(func.json_build_array(*(cast(column, Text()) for column in key)), Text())


def from_image(json: Value, column: Column[Any], dialect: str) -> Value:
    """What an image says that a column held."""
    if dialect == "sqlite":
        return func.json_extract(json, f'$."{column.key}"')
    return cast(cast(json, postgresql.JSON)[column.key].astext, column.type)


def from_key(json: Value, position: int, column: Column[Any], dialect: str) -> Value:
    """What a key's JSON says that a column holds."""
    if dialect == "sqlite":
        return func.json_extract(json, f"$[{position}]")
    return cast(cast(json, postgresql.JSON)[position].astext, column.type)
