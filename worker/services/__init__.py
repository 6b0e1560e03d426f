"""The shop's services: what its jobs read from and what they change it by."""

from worker.services.cart import CartService
from worker.services.customer import CustomerService
from worker.services.entities import (
    Cart,
    CartLineItem,
    Customer,
    Product,
    ProductChanges,
    ProductStatus,
)
from worker.services.errors import (
    CartNotFound,
    CustomerNotFound,
    EntityUnknown,
    FieldUnknown,
    NotFound,
    OperatorUnknown,
    ProductNotFound,
    QueryInvalid,
)
from worker.services.product import ProductService
from worker.services.query import GraphResult, QueryService

__all__ = [
    "Cart",
    "CartLineItem",
    "CartNotFound",
    "CartService",
    "Customer",
    "CustomerNotFound",
    "CustomerService",
    "EntityUnknown",
    "FieldUnknown",
    "GraphResult",
    "NotFound",
    "OperatorUnknown",
    "Product",
    "ProductChanges",
    "ProductNotFound",
    "ProductService",
    "ProductStatus",
    "QueryInvalid",
    "QueryService",
]
