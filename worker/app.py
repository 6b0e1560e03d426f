"""The shop, in one place."""

from activities.carts import CartActivities
from euryale import Euryale, singleton
from worker.figures import figures
from worker.services import CartService, CustomerService, ProductService, QueryService
from worker.settings import Settings
from worker.store import Store, open_store
from workflows.delete_carts import DeleteCarts

app = Euryale(
    name="shop",
    services={
        "product": ProductService,
        "cart": CartService,
        "customer": CustomerService,
        "query": QueryService,
    },
    providers=[singleton(Settings), singleton(open_store, ping=Store.ping)],
    workflows=[DeleteCarts],
    activities=[CartActivities],
    figures=figures,
)
