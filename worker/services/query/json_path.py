"""Values inside of JSON columns: what both databases can read, each in its own words."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Float, Text, case, cast, func

from worker.store.engine import Dialect

Expression = ColumnElement[Any]


def json_value(
    column: Expression, path: tuple[str, ...], operand: Any, dialect: Dialect
) -> Expression:
    """The value at a path, as something to compare with `operand`.

    Where the path leads to a value of another type than the operand's, or to nothing, it is null.

    Args:
        column: The JSON column.
        path: The keys that lead to the value; none holds a quotation mark.
        operand: A text, a number, true or false, a tuple of one of these; None fits every type.
        dialect: The database.
    """
    sample = operand[0] if isinstance(operand, tuple) and operand else operand
    if dialect == "sqlite":
        return _sqlite_value(column, path, sample)
    return _postgres_value(column, path, sample)


def _sqlite_value(column: Expression, path: tuple[str, ...], sample: Any) -> Expression:
    where = "$" + "".join(f'."{key}"' for key in path)
    kind = func.json_type(column, where, type_=Text())
    if isinstance(sample, bool):
        return case((kind == "true", True), (kind == "false", False), else_=None)
    if isinstance(sample, float):
        number = func.json_extract(column, where, type_=Float())
        return case((kind.in_(("integer", "real")), number), else_=None)
    text = func.json_extract(column, where, type_=Text())
    return case((kind == "text", text), else_=None) if isinstance(sample, str) else text


def _postgres_value(column: Expression, path: tuple[str, ...], sample: Any) -> Expression:
    kind = func.jsonb_typeof(func.jsonb_extract_path(column, *path), type_=Text())
    text = func.jsonb_extract_path_text(column, *path, type_=Text())
    # CASE also keeps the casts away from values that can't be cast.
    if isinstance(sample, bool):
        return case((kind == "boolean", cast(text, Boolean())), else_=None)
    if isinstance(sample, float):
        return case((kind == "number", cast(text, Float(53))), else_=None)
    return case((kind == "string", text), else_=None) if isinstance(sample, str) else text
