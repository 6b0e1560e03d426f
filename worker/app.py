"""The shop, in one place."""

from activities.carts import CartActivities
from activities.catalog import CatalogActivities
from activities.exports import ExportActivities
from activities.newsletter import NewsletterActivities
from activities.sales import SalesActivities
from euryale import Euryale, singleton
from worker.catalog import open_catalog
from worker.figures import figures
from worker.services import (
    CartService,
    CatalogService,
    CustomerService,
    ExportService,
    NotificationService,
    ProductService,
    QueryService,
    SyncService,
)
from worker.services.mailer import make_mailer
from worker.settings import Settings
from worker.store import Store, open_store
from workflows.delete_carts import DeleteCarts
from workflows.export_orders import ExportOrders
from workflows.recalculate_aggregates import RecalculateAggregates
from workflows.send_newsletter import SendNewsletter
from workflows.sync_products import SyncProducts

app = Euryale(
    name="shop",
    services={
        "product": ProductService,
        "cart": CartService,
        "catalog": CatalogService,
        "customer": CustomerService,
        "export": ExportService,
        "notification": NotificationService,
        "query": QueryService,
        "sync": SyncService,
    },
    providers=[
        singleton(Settings),
        singleton(open_store, ping=Store.ping),
        singleton(open_catalog),
        singleton(make_mailer),
    ],
    workflows=[DeleteCarts, ExportOrders, RecalculateAggregates, SendNewsletter, SyncProducts],
    activities=[
        CartActivities,
        CatalogActivities,
        ExportActivities,
        NewsletterActivities,
        SalesActivities,
    ],
    figures=figures,
)
