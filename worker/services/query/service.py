"""The query service: a parsed and compiled query, sent to the store."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from euryale import read
from worker.services.query.catalog import Entity, find_entity
from worker.services.query.compile import compile_condition, compile_order
from worker.services.query.filters import Condition, parse_filters
from worker.services.query.pagination import Page, Pagination, parse_pagination
from worker.services.query.selection import Selection, parse_fields
from worker.services.rows import Row, slices
from worker.store import Store
from worker.store.engine import Dialect


class GraphMetadata(BaseModel):
    """Where a page lies in the whole result.

    Attributes:
        count: How many entities match in all.
        skip: How many were left out at the beginning.
        take: How many were asked for at most; None for all.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    skip: int
    take: int | None


class GraphResult(BaseModel):
    """What a query found.

    Attributes:
        data: The entities, as plain JSON: times are ISO 8601 texts in UTC, amounts are numbers.
        metadata: Where the page lies; only if the query said how many to skip.
    """

    model_config = ConfigDict(frozen=True)

    data: list[dict[str, Any]]
    metadata: GraphMetadata | None = None


class QueryService:
    """Reads the shop's entities and what is related to them, as Medusa's `query` does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @read
    async def graph(
        self,
        entity: str,
        fields: list[str],
        filters: dict[str, Any] | None = None,
        pagination: Pagination | None = None,
        with_deleted: bool = False,
    ) -> GraphResult:
        """The entities that match, with the fields that are wanted.

        Besides the query itself, each relation costs one query, however many rows there are.

        Args:
            entity: product, product_variant, product_sales, cart, cart_line_item, customer, order,
                order_item, order_line_item or notification.
            fields: Such as `id`, `*`, `items.title` or `customer.*`.
            filters: Such as `{"status": "draft"}` or `{"updated_at": {"$lt": "2026-01-31"}}`. The
                operators are $and $or $not $eq $ne $in $nin $gt $gte $lt $lte $like $ilike $re.
            pagination: How many to skip and to take, and in which order.
            with_deleted: Whether soft-deleted entities count, also where relations lead to.

        Raises:
            QueryInvalid: The query names something unknown, or means nothing.
        """
        of = find_entity(entity)
        selection = parse_fields(of, fields)
        condition = parse_filters(of, {} if filters is None else filters)
        page = parse_pagination(of, pagination)
        async with self._store.session() as session:
            graph = _Graph(session, self._store.dialect, with_deleted)
            return await graph.read(selection, condition, page)


class _Graph:
    """The queries that one call sends, all in one session."""

    def __init__(self, session: AsyncSession, dialect: Dialect, with_deleted: bool) -> None:
        self._session = session
        self._dialect: Dialect = dialect
        self._with_deleted = with_deleted

    async def read(self, selection: Selection, condition: Condition, page: Page) -> GraphResult:
        of = selection.entity
        table = of.table
        where = compile_condition(
            condition, of, table, self._dialect, with_deleted=self._with_deleted
        )
        statement = self._living(select(*_columns(selection, "id")).where(where), of)
        order = [
            compile_order(each, of, table, with_deleted=self._with_deleted) for each in page.order
        ]
        statement = statement.order_by(*order, table.c.id)
        if page.skip:
            statement = statement.offset(page.skip)
        if page.take is not None:
            statement = statement.limit(page.take)
        rows = (await self._session.execute(statement)).mappings().all()
        data = await self._with_relations(selection, rows)
        if page.skip is None:
            return GraphResult(data=data)
        counting = self._living(select(func.count()).select_from(table).where(where), of)
        count = await self._session.scalar(counting)
        return GraphResult(
            data=data, metadata=GraphMetadata(count=count or 0, skip=page.skip, take=page.take)
        )

    def _living(self, statement: Select[Any], of: Entity) -> Select[Any]:
        return statement if self._with_deleted else statement.where(of.table.c.deleted_at.is_(None))

    async def _with_relations(
        self, selection: Selection, rows: Sequence[Row]
    ) -> list[dict[str, Any]]:
        """The rows as dictionaries, with what they are related to: one query a relation."""
        data = [{field: _plain(row[field]) for field in selection.fields} for row in rows]
        for name, wanted in selection.relations.items():
            relation = selection.entity.relations[name]
            keys = {row[relation.column] for row in rows} - {None}
            related = await self._related(wanted, relation.remote_column, sorted(keys))
            for row, values in zip(rows, data, strict=True):
                found = related.get(row[relation.column], [])
                values[name] = found if relation.many else next(iter(found), None)
        return data

    async def _related(
        self, wanted: Selection, column: str, keys: Sequence[str]
    ) -> Mapping[str, list[dict[str, Any]]]:
        """The related entities, ordered by id, under the key that leads to them."""
        table = wanted.entity.table
        rows: list[Row] = []
        for some in slices(keys):
            statement = select(*_columns(wanted, column)).where(table.c[column].in_(some))
            statement = self._living(statement, wanted.entity).order_by(table.c.id)
            rows += (await self._session.execute(statement)).mappings().all()
        grouped: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row, values in zip(rows, await self._with_relations(wanted, rows), strict=True):
            grouped[row[column]].append(values)
        return grouped


def _columns(selection: Selection, *others: str) -> list[ColumnElement[Any]]:
    """The wanted columns, and those that relations and grouping need besides."""
    relations = selection.entity.relations
    names = {*selection.fields, *others, *(relations[name].column for name in selection.relations)}
    return [selection.entity.table.c[name] for name in selection.entity.fields if name in names]


def _plain(value: Any) -> Any:
    """The value as JSON holds it, so that a durable call and a direct one give the same."""
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
