"""The shop, in one place."""

from activities.carts import CartActivities
from activities.catalog import CatalogActivities
from activities.newsletter import NewsletterActivities
from euryale import Euryale, singleton
from worker.catalog import open_catalog
from worker.figures import figures
from worker.services import (
    CartService,
    CatalogService,
    CustomerService,
    NotificationService,
    ProductService,
    QueryService,
    SyncService,
)
from worker.services.mailer import make_mailer
from worker.settings import Settings
from worker.store import Store, open_store
from workflows.delete_carts import DeleteCarts
from workflows.send_newsletter import SendNewsletter
from workflows.sync_products import SyncProducts

app = Euryale(
    name="shop",
    services={
        "product": ProductService,
        "cart": CartService,
        "catalog": CatalogService,
        "customer": CustomerService,
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
    workflows=[DeleteCarts, SendNewsletter, SyncProducts],
    activities=[CartActivities, CatalogActivities, NewsletterActivities],
    figures=figures,
)
