"""The shop's services: what its jobs read from and what they change it by."""

from worker.services.cart import CartService
from worker.services.catalog import CatalogService, Refusal
from worker.services.customer import CustomerService
from worker.services.entities import (
    Cart,
    CartLineItem,
    Customer,
    NewNotification,
    Notification,
    NotificationStatus,
    Product,
    ProductChanges,
    ProductStatus,
)
from worker.services.errors import (
    CartNotFound,
    CustomerNotFound,
    EntityUnknown,
    ExportGone,
    FieldUnknown,
    NotFound,
    OperatorUnknown,
    ProductNotFound,
    QueryInvalid,
    SyncMarkMoved,
)
from worker.services.export import ExportService, MadeExport, OrderExport, OrdersOfDay
from worker.services.notification import NotificationService
from worker.services.product import ProductService
from worker.services.query import GraphResult, QueryService
from worker.services.sync import ChangedProducts, Position, SyncMark, SyncService, SyncWindow

__all__ = [
    "Cart",
    "CartLineItem",
    "CartNotFound",
    "CartService",
    "CatalogService",
    "ChangedProducts",
    "Customer",
    "CustomerNotFound",
    "CustomerService",
    "EntityUnknown",
    "ExportGone",
    "ExportService",
    "FieldUnknown",
    "GraphResult",
    "MadeExport",
    "NewNotification",
    "NotFound",
    "Notification",
    "NotificationService",
    "NotificationStatus",
    "OperatorUnknown",
    "OrderExport",
    "OrdersOfDay",
    "Position",
    "Product",
    "ProductChanges",
    "ProductNotFound",
    "ProductService",
    "ProductStatus",
    "QueryInvalid",
    "QueryService",
    "Refusal",
    "SyncMark",
    "SyncMarkMoved",
    "SyncService",
    "SyncWindow",
]
