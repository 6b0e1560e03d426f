"""The shop, in one place."""

from activities.carts import CartActivities
from activities.catalog import CatalogActivities
from euryale import Euryale, singleton
from worker.catalog import open_catalog
from worker.figures import figures
from worker.services import (
    CartService,
    CatalogService,
    CustomerService,
    ProductService,
    QueryService,
    SyncService,
)
from worker.settings import Settings
from worker.store import Store, open_store
from workflows.delete_carts import DeleteCarts
from workflows.sync_products import SyncProducts

app = Euryale(
    name="shop",
    services={
        "product": ProductService,
        "cart": CartService,
        "catalog": CatalogService,
        "customer": CustomerService,
        "query": QueryService,
        "sync": SyncService,
    },
    providers=[
        singleton(Settings),
        singleton(open_store, ping=Store.ping),
        singleton(open_catalog),
    ],
    workflows=[DeleteCarts, SyncProducts],
    activities=[CartActivities, CatalogActivities],
    figures=figures,
)
