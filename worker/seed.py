"""A shop to begin with: always the same products, customers, carts and orders; the times are new.

`python -m worker.seed` migrates the database of the settings and fills it.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from pydantic import ValidationError
from sqlalchemy import insert, select, text
from ulid import ULID

from worker.settings import Settings, refused
from worker.store import Store, StoreUnavailable, upgrade
from worker.store.tables import (
    Base,
    CartLineItemRow,
    CartRow,
    CustomerRow,
    OrderItemRow,
    OrderLineItemRow,
    OrderRow,
    ProductRow,
    ProductVariantRow,
)

PRODUCTS = 1_000
DRAFT_PRODUCTS = 200
CUSTOMERS = 500
NEWSLETTER_CUSTOMERS = 412
CARTS = 300
UNTOUCHED_CARTS = 200
ORDERS = 1_000
CANCELED_ORDERS = 50
DRAFT_ORDERS = 40

_KINDS = ("T-Shirt", "Sweatshirt", "Trousers", "Shorts", "Cap", "Scarf", "Bag", "Mug", "Poster")
_MATERIALS = ("Cotton", "Linen", "Wool", "Hemp", "Recycled")
_COLORS = ("Black", "White", "Olive", "Navy", "Sand", "Rust")
_FIRST_NAMES = ("Ada", "Alan", "Barbara", "Edsger", "Grace", "Katherine", "Leslie", "Radia", "Tony")
_LAST_NAMES = ("Hopper", "Johnson", "Lamport", "Liskov", "Lovelace", "Perlman", "Turing", "Weiss")

_ID_MILLISECONDS = 1_767_225_600_000
"""The beginning of 2026: ids hold a time, and stay the same whenever the shop is filled."""

_WAITS = 4
"""How often SQLite is asked again: another process that fills the shop keeps its file locked for
longer than a mutation would wait."""

Values = dict[str, Any]


async def seed(store: Store) -> bool:
    """Fill an empty shop: 1,000 products, 500 customers, 300 carts and 1,000 orders, or nothing.

    200 products are drafts, 412 customers agreed to the newsletter, 200 carts have not been
    touched for over a day.

    Returns:
        False if the shop has products already; then nothing was done.

    Raises:
        worker.store.StoreUnavailable: The database is locked, gone or not migrated.
    """
    # Made beforehand, so that nobody waits for it.
    rows = list(_shop(datetime.now(UTC)))
    for _ in range(_WAITS if store.dialect == "sqlite" else 0):
        with suppress(StoreUnavailable):
            return await _fill(store, rows)
    return await _fill(store, rows)


async def _fill(store: Store, tables: list[tuple[type[Base], list[Values]]]) -> bool:
    async with store.begin() as session:
        if store.dialect == "postgresql":
            # Of two processes that find the shop empty at once, only one may fill it.
            await session.execute(text("LOCK TABLE product IN SHARE ROW EXCLUSIVE MODE"))
        if (await session.execute(select(ProductRow.id).limit(1))).first():
            return False
        for row_class, rows in tables:
            await session.execute(insert(row_class.__table__), rows)  # type: ignore[arg-type]
    return True


def _shop(now: datetime) -> Iterator[tuple[type[Base], list[Values]]]:
    """The rows of every table, those that others reference first."""
    random = Random(1)  # noqa: S311  # no secret
    products = [_product(random, number, now) for number in range(PRODUCTS)]
    variants = [
        _variant(random, product, rank)
        for product in products
        for rank in range(random.randint(1, 2))
    ]
    customers = [_customer(random, number, now) for number in range(CUSTOMERS)]
    carts = [_cart(random, number, random.choice(customers), now) for number in range(CARTS)]
    titles = {product["id"]: product["title"] for product in products}
    items = [
        _item(random, cart, variant, titles[variant["product_id"]])
        for cart in carts
        for variant in random.sample(variants, random.randint(1, 3))
    ]
    yield ProductRow, products
    yield ProductVariantRow, variants
    yield CustomerRow, customers
    yield CartRow, carts
    yield CartLineItemRow, items
    sold = [(variant, titles[variant["product_id"]]) for variant in variants]
    yield from _sales(customers, sold, now)


def _sales(
    customers: list[Values], sold: list[tuple[Values, str]], now: datetime
) -> Iterator[tuple[type[Base], list[Values]]]:
    """Orders and their items. Their numbers are drawn apart, so that no other row follows them."""
    random = Random(2)  # noqa: S311  # no secret
    month = {"at_least": timedelta(minutes=1), "at_most": timedelta(days=60)}
    times = sorted((_times(random, now, **month) for _ in range(ORDERS)), key=_created_at)
    orders = [
        _order(random, number, random.choice(customers), times[number], now)
        for number in range(ORDERS)
    ]
    lines: list[Values] = []
    items: list[Values] = []
    for order in orders:
        for variant, product_title in random.sample(sold, random.randint(1, 3)):
            lines.append(_order_line(random, order, variant, product_title))
            items.append(_order_item(random, order, lines[-1]))
    yield OrderRow, orders
    yield OrderLineItemRow, lines
    yield OrderItemRow, items


def _created_at(times: Values) -> datetime:
    created_at: datetime = times["created_at"]
    return created_at


def _id(random: Random, prefix: str) -> str:
    return f"{prefix}_{ULID(_ID_MILLISECONDS.to_bytes(6, 'big') + random.randbytes(10))}"


def _times(random: Random, now: datetime, *, at_least: timedelta, at_most: timedelta) -> Values:
    age = random.uniform(at_least.total_seconds(), at_most.total_seconds())
    moment = now - timedelta(seconds=age)
    return {"created_at": moment, "updated_at": moment}


def _product(random: Random, number: int, now: datetime) -> Values:
    kind, material, color = map(random.choice, (_KINDS, _MATERIALS, _COLORS))
    # Every fifth: drafts lie between the others, as in a real shop.
    draft = number % (PRODUCTS // DRAFT_PRODUCTS) == 0
    return {
        "id": _id(random, "prod"),
        "title": f"{color} {material} {kind}",
        "handle": f"{color}-{material}-{kind}-{number:04d}".lower(),
        "description": f"A {kind.lower()} of {material.lower()} in {color.lower()}.",
        "status": "draft" if draft else "published",
        "material": material,
        "weight": random.randrange(100, 2_000, 50),
        **_times(random, now, at_least=timedelta(days=2), at_most=timedelta(days=300)),
    }


def _variant(random: Random, product: Values, rank: int) -> Values:
    return {
        "id": _id(random, "variant"),
        "title": ("M", "L")[rank],
        "sku": f"{product['handle']}-{'ml'[rank]}".upper(),
        "variant_rank": rank,
        "product_id": product["id"],
        "created_at": product["created_at"],
        "updated_at": product["updated_at"],
    }


def _customer(random: Random, number: int, now: datetime) -> Values:
    first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
    return {
        "id": _id(random, "cus"),
        "email": f"{first}.{last}.{number:03d}@example.com".lower(),
        "first_name": first,
        "last_name": last,
        "has_account": random.choice((True, False)),
        "metadata": {"newsletter": number < NEWSLETTER_CUSTOMERS},
        **_times(random, now, at_least=timedelta(days=40), at_most=timedelta(days=900)),
    }


def _cart(random: Random, number: int, customer: Values, now: datetime) -> Values:
    if number < UNTOUCHED_CARTS:
        age = {"at_least": timedelta(hours=25), "at_most": timedelta(days=30)}
    else:
        age = {"at_least": timedelta(0), "at_most": timedelta(hours=12)}
    return {
        "id": _id(random, "cart"),
        "customer_id": customer["id"],
        "email": customer["email"],
        "currency_code": random.choice(("eur", "usd")),
        **_times(random, now, **age),
    }


def _item(random: Random, cart: Values, variant: Values, product_title: str) -> Values:
    price = f"{random.randrange(5, 90)}.90"
    return {
        "id": _id(random, "cali"),
        "cart_id": cart["id"],
        "title": f"{product_title} ({variant['title']})",
        "quantity": random.randint(1, 4),
        "unit_price": price,
        "raw_unit_price": {"value": price, "precision": 20},
        "variant_id": variant["id"],
        "product_id": variant["product_id"],
        "product_title": product_title,
        "created_at": cart["created_at"],
        "updated_at": cart["updated_at"],
    }


def _order(random: Random, number: int, customer: Values, times: Values, now: datetime) -> Values:
    canceled = number % (ORDERS // CANCELED_ORDERS) == 3  # noqa: PLR2004  # never a draft
    draft = number % (ORDERS // DRAFT_ORDERS) == 0
    canceled_at = times["created_at"] + random.random() * (now - times["created_at"])
    return {
        "id": _id(random, "order"),
        "display_id": number + 1,
        "customer_id": customer["id"],
        "status": "draft" if draft else "canceled" if canceled else "pending",
        "is_draft_order": draft,
        "email": customer["email"],
        "currency_code": random.choice(("eur", "usd")),
        "canceled_at": canceled_at if canceled else None,
        "created_at": times["created_at"],
        "updated_at": canceled_at if canceled else times["updated_at"],
    }


def _order_line(random: Random, order: Values, variant: Values, product_title: str) -> Values:
    price = f"{random.randrange(5, 90)}.90"
    return {
        "id": _id(random, "ordli"),
        "title": product_title,
        "variant_id": variant["id"],
        "product_id": variant["product_id"],
        "product_title": product_title,
        "variant_sku": variant["sku"],
        "variant_title": variant["title"],
        "unit_price": price,
        "raw_unit_price": {"value": price, "precision": 20},
        "created_at": order["created_at"],
        "updated_at": order["created_at"],
    }


def _order_item(random: Random, order: Values, line: Values) -> Values:
    quantity = random.randint(1, 4)
    return {
        "id": _id(random, "orditem"),
        "order_id": order["id"],
        "version": 1,
        "item_id": line["id"],
        "quantity": quantity,
        "raw_quantity": {"value": str(quantity), "precision": 20},
        "created_at": order["created_at"],
        "updated_at": order["created_at"],
    }


async def _migrate_and_seed(settings: Settings) -> str:
    await upgrade(settings.url)
    store = Store(settings.url)
    try:
        filled = await seed(store)
    finally:
        await store.close()
    if not filled:
        return f"{store.place} has products already: nothing was changed."
    return (
        f"{store.place} now has {PRODUCTS:,} products ({DRAFT_PRODUCTS} of them drafts), "
        f"{CUSTOMERS} customers, {CARTS} carts ({UNTOUCHED_CARTS} untouched for over a day) and "
        f"{ORDERS:,} orders."
    )


def main() -> int:
    """Migrate and fill the database of the settings; 0 if that went well, else 1."""
    try:
        sentence = asyncio.run(_migrate_and_seed(Settings()))
    except ValidationError as error:
        sys.stderr.write(f"{refused(error)}.\n")
        return 1
    except (StoreUnavailable, OSError) as error:
        sys.stderr.write(f"{error}.\n")
        return 1
    sys.stdout.write(f"{sentence}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
