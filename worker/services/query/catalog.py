"""The entities that a query may name: their fields, what kind each is of, and their relations.

Every name in a query is looked up here, so nothing that a caller writes gets into SQL as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import JSON, REAL, Boolean, Column, Integer, Table, Text

from worker.services.errors import EntityUnknown, FieldUnknown, known_names
from worker.services.rows import table_of
from worker.store.tables import (
    Base,
    CartLineItemRow,
    CartRow,
    CustomerRow,
    NotificationRow,
    OrderItemRow,
    OrderLineItemRow,
    OrderRow,
    ProductRow,
    ProductSalesRow,
    ProductVariantRow,
)
from worker.store.types import Money, UtcDateTime


class Kind(Enum):
    """What a field holds; it decides which values and operators it takes."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    AMOUNT = "amount"
    BOOLEAN = "boolean"
    DATE = "date"
    JSON = "json"


_KINDS = {
    Boolean: Kind.BOOLEAN,
    Integer: Kind.INTEGER,
    UtcDateTime: Kind.DATE,
    JSON: Kind.JSON,
    Money: Kind.AMOUNT,
    REAL: Kind.NUMBER,
    Text: Kind.TEXT,
}
"""The kind of a column of each type that the tables use."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A way from one entity to another.

    Attributes:
        entity: Where it leads to.
        column: The entity's own column that is compared.
        remote_column: The other entity's column that it is compared with.
        many: Whether it leads to a list; otherwise to one or none.
    """

    entity: str
    column: str
    remote_column: str
    many: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity that can be queried."""

    name: str
    table: Table
    fields: Mapping[str, Kind]
    relations: Mapping[str, Relation]

    def names(self) -> list[str]:
        """Every name that a query may use, fields first."""
        return [*self.fields, *self.relations]


def find_entity(name: str) -> Entity:
    """The entity of that name.

    Raises:
        EntityUnknown: There is none; the message names those that there are.
    """
    if name not in _CATALOG:
        raise EntityUnknown(f"no entity is named {name!r}: {known_names(name, list(_CATALOG))}")
    return _CATALOG[name]


def unknown_field(of: Entity, name: str, place: str) -> FieldUnknown:
    """The error about a name that is neither a field nor a relation of the entity."""
    return FieldUnknown(
        f"{place}: {of.name} has no field {name!r}: {known_names(name, of.names())}"
    )


def _kind(column: "Column[object]") -> Kind:
    return next(kind for type_, kind in _KINDS.items() if isinstance(column.type, type_))


def _entity(row_class: type[Base], **relations: Relation) -> Entity:
    table = table_of(row_class)
    fields = {column.name: _kind(column) for column in table.columns}
    return Entity(table.name, table, fields, relations)


_CATALOG = {
    each.name: each
    for each in (
        _entity(
            ProductRow,
            variants=Relation("product_variant", "id", "product_id", many=True),
            sales=Relation("product_sales", "id", "product_id", many=True),
        ),
        _entity(
            ProductVariantRow,
            product=Relation("product", "product_id", "id", many=False),
        ),
        _entity(
            CartRow,
            items=Relation("cart_line_item", "id", "cart_id", many=True),
            customer=Relation("customer", "customer_id", "id", many=False),
        ),
        _entity(
            CartLineItemRow,
            cart=Relation("cart", "cart_id", "id", many=False),
        ),
        _entity(
            CustomerRow,
            carts=Relation("cart", "id", "customer_id", many=True),
            orders=Relation("order", "id", "customer_id", many=True),
        ),
        _entity(
            OrderRow,
            items=Relation("order_item", "id", "order_id", many=True),
            customer=Relation("customer", "customer_id", "id", many=False),
        ),
        _entity(
            OrderItemRow,
            order=Relation("order", "order_id", "id", many=False),
            item=Relation("order_line_item", "item_id", "id", many=False),
        ),
        _entity(
            OrderLineItemRow,
            product=Relation("product", "product_id", "id", many=False),
        ),
        _entity(
            ProductSalesRow,
            product=Relation("product", "product_id", "id", many=False),
        ),
        _entity(
            NotificationRow,
            receiver=Relation("customer", "receiver_id", "id", many=False),
        ),
    )
}
