from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine

from worker.services import EntityUnknown, FieldUnknown, OperatorUnknown, QueryInvalid, QueryService
from worker.services.query import GraphResult, Pagination
from worker.store import Store
from worker.store.tables import (
    Base,
    CartLineItemRow,
    CartRow,
    CustomerRow,
    ProductRow,
    ProductVariantRow,
)

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def product(number: int, **values: Any) -> dict[str, Any]:
    moment = DAY + timedelta(days=number)
    times = {"created_at": moment, "updated_at": moment}
    return {"id": f"prod_{number}", "handle": f"p{number}", **times, **values}


PRODUCTS = [
    product(1, title="Cap", status="draft", weight=1.1, material="Wool"),
    product(2, title="cap, red", status="published", weight=2.5, metadata={"a": {"b": "x"}}),
    product(
        3, title="Hat 50%", status="draft", is_giftcard=True, metadata={"rank": 7, "new": True}
    ),
    product(4, title="Mütze_1", status="rejected", metadata={"rank": "7", "new": False}),
    product(5, title="Gone", status="draft", deleted_at=DAY, material="Wool"),
]
VARIANTS = [
    {"id": "variant_1", "product_id": "prod_1", "title": "S", "sku": "CAP-S", "variant_rank": 0},
    {"id": "variant_2", "product_id": "prod_1", "title": "M", "sku": "CAP-M", "variant_rank": 1},
    {"id": "variant_3", "product_id": "prod_2", "title": "S", "sku": "RED-S", "variant_rank": 0},
    {"id": "variant_4", "product_id": "prod_3", "title": "S", "sku": "HAT", "deleted_at": DAY},
]
CUSTOMERS: list[dict[str, Any]] = [
    {"id": "cus_1", "email": "b@example.com", "metadata": {"newsletter": True}},
    {"id": "cus_2", "email": "a@example.com", "metadata": {"newsletter": False}},
    {"id": "cus_3", "email": None},
]
CARTS: list[dict[str, Any]] = [
    {"id": "cart_1", "currency_code": "eur", "customer_id": "cus_1"},
    {"id": "cart_2", "currency_code": "usd", "customer_id": "cus_2"},
    {"id": "cart_3", "currency_code": "eur", "customer_id": None},
    {"id": "cart_4", "currency_code": "eur", "customer_id": "cus_1"},
]
ITEMS = [
    {
        "id": f"cali_{number}",
        "cart_id": cart_id,
        "title": "Cap",
        "quantity": number,
        "unit_price": Decimal(price),
        "raw_unit_price": {"value": price},
    }
    for number, (cart_id, price) in enumerate(
        [("cart_1", "0.10"), ("cart_1", "12.95"), ("cart_2", "99")], start=1
    )
]


@pytest.fixture
async def query(store: Store) -> QueryService:
    async with store.begin() as session:
        shop: list[tuple[type[Base], list[dict[str, Any]]]] = [
            (ProductRow, PRODUCTS),
            (ProductVariantRow, VARIANTS),
            (CustomerRow, CUSTOMERS),
            (CartRow, CARTS),
            (CartLineItemRow, ITEMS),
        ]
        for row_class, rows in shop:
            for row in rows:
                await session.execute(insert(row_class).values(**row))
    return QueryService(store)


def ids(result: GraphResult) -> str:
    """The last characters of the ids found, in their order."""
    return "".join(entity["id"][-1] for entity in result.data)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The queries that were sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


FILTERS: list[tuple[dict[str, Any] | None, str]] = [
    (None, "1234"),
    ({}, "1234"),
    # shorthands
    ({"status": "draft"}, "13"),
    ({"status": ["draft", "rejected"]}, "134"),
    ({"material": None}, "234"),
    ({"status": "draft", "is_giftcard": True}, "3"),
    # operators
    ({"status": {"$eq": "draft"}}, "13"),
    ({"status": {"$ne": "draft"}}, "24"),
    ({"material": {"$eq": None}}, "234"),
    ({"material": {"$ne": None}}, "1"),
    ({"material": {"$ne": "Silk"}}, "1"),
    ({"status": {"$in": ["draft"]}}, "13"),
    ({"status": {"$in": []}}, ""),
    ({"status": {"$nin": ["draft"]}}, "24"),
    ({"status": {"$nin": []}}, "1234"),
    ({"weight": {"$gt": 1.1}}, "2"),
    ({"weight": {"$gte": 1.1, "$lt": 2.5}}, "1"),
    ({"weight": {"$lte": 2.5}}, "12"),
    ({"weight": 1.1}, "1"),
    ({"weight": [1.1, 2.5]}, "12"),
    ({"weight": 2.50}, "2"),
    ({"handle": {"$gt": "p2"}}, "34"),
    ({"title": {"$like": "cap%"}}, "2"),
    ({"title": {"$ilike": "cap%"}}, "12"),
    ({"title": {"$like": "%50\\%"}}, "3"),
    ({"title": {"$like": "M_tze\\_1"}}, "4"),
    ({"title": {"$like": "_ap"}}, "1"),
    ({"title": {"$re": "^[CH]a"}}, "13"),
    ({"title": {"$re": r"\d"}}, "34"),
    ({"material": {"$like": "%"}}, "1"),
    # groups
    ({"$and": [{"status": "draft"}, {"is_giftcard": False}]}, "1"),
    ({"$or": [{"status": "rejected"}, {"weight": {"$gt": 2}}]}, "24"),
    ({"$or": [{"status": "rejected"}, {"status": "draft"}], "is_giftcard": True}, "3"),
    ({"$not": {"status": "draft"}}, "24"),
    ({"$not": {"material": "Wool"}}, ""),
    ({"$not": {"$or": [{"status": "draft"}, {"handle": "p2"}]}}, "4"),
    ({"status": {"$not": {"$in": ["draft"]}}}, "24"),
    ({"weight": {"$or": [{"$lt": 1}, {"$gt": 2}]}}, "2"),
    ({"handle": {"$and": [{"$gt": "p1"}, {"$lt": "p4"}], "$ne": "p2"}}, "3"),
    # dates
    ({"created_at": {"$lt": DAY + timedelta(days=2)}}, "1"),
    ({"created_at": {"$lte": "2026-03-03T00:00:00Z"}}, "12"),
    ({"created_at": {"$gt": "2026-03-03T01:00:00+01:00"}}, "34"),
    ({"created_at": {"$gte": "2026-03-03"}}, "234"),
    ({"created_at": "2026-03-03"}, "2"),
    ({"created_at": [DAY + timedelta(days=1), "2026-03-05"]}, "14"),
    # JSON
    ({"metadata": None}, "1"),
    ({"metadata": {"$ne": None}}, "234"),
    ({"metadata": {"new": True}}, "3"),
    ({"metadata": {"new": {"$ne": True}}}, "4"),
    ({"metadata": {"new": None}}, "12"),
    ({"metadata": {"new": {"$ne": None}}}, "34"),
    ({"metadata": {"rank": 7}}, "3"),
    ({"metadata": {"rank": "7"}}, "4"),
    ({"metadata": {"rank": {"$gt": 6.5}}}, "3"),
    ({"metadata": {"rank": [6, 7]}}, "3"),
    ({"metadata": {"rank": {"$in": []}}}, ""),
    ({"metadata": {"a": {"b": "x"}}}, "2"),
    ({"metadata": {"a": {"b": {"$re": "^X|x$"}}}}, "2"),
    ({"metadata": {"a": {"b": {"$ilike": "X"}}}}, "2"),
    ({"metadata": {"a": {"c": "x"}}}, ""),
    ({"metadata": {"it's": {"; DROP TABLE product": 1}}}, ""),
    ({"metadata": {}}, "1234"),
    # relations
    ({"variants": {"sku": "CAP-M"}}, "1"),
    ({"variants": {"title": "S"}}, "12"),
    ({"variants": {}}, "12"),
    ({"variants": None}, "34"),
    ({"$not": {"variants": {"title": "M"}}}, "234"),
    ({"variants": {"variant_rank": {"$gte": 1}, "product": {"title": "Cap"}}}, "1"),
    ({"variants": {"product": {"variants": {"sku": "CAP-S"}}}}, "1"),
    # values that look like SQL are only values
    ({"title": "'; DROP TABLE product; --"}, ""),
    ({"title": {"$like": "' OR '1'='1"}}, ""),
]


async def test_every_filter_finds_what_it_means(query: QueryService) -> None:
    found = {}
    for filters, _ in FILTERS:
        found[repr(filters)] = ids(await query.graph("product", ["id"], filters))
    assert found == {repr(filters): expected for filters, expected in FILTERS}


async def test_deleted_entities_count_only_on_demand(query: QueryService) -> None:
    filters = {"status": "draft"}
    assert ids(await query.graph("product", ["id"], filters, with_deleted=True)) == "135"
    fields = ["id", "variants.id"]
    for with_deleted, variants in ((False, []), (True, [{"id": "variant_4"}])):
        result = await query.graph("product", fields, {"id": "prod_3"}, with_deleted=with_deleted)
        assert result.data == [{"id": "prod_3", "variants": variants}]
    assert ids(await query.graph("product", ["id"], {"variants": {"sku": "HAT"}})) == ""
    deleted = await query.graph("product", ["id"], {"variants": {"sku": "HAT"}}, None, True)
    assert ids(deleted) == "3"


async def test_only_the_wanted_fields_are_given(query: QueryService) -> None:
    result = await query.graph("product", ["title", "status"], {"id": "prod_1"})
    assert result.data == [{"title": "Cap", "status": "draft"}]
    assert result.metadata is None


async def test_a_star_gives_all_fields_and_no_relation(query: QueryService) -> None:
    (found,) = (await query.graph("product", ["*"], {"id": "prod_1"})).data
    assert set(found) == set(ProductRow.__table__.c.keys())


async def test_relations_are_given_as_lists_or_as_one_or_none(query: QueryService) -> None:
    fields = ["id", "customer.email", "items.quantity", "items.unit_price"]
    result = await query.graph("cart", fields, {"id": ["cart_1", "cart_3"]})
    assert result.data == [
        {
            "id": "cart_1",
            "customer": {"email": "b@example.com"},
            "items": [{"quantity": 1, "unit_price": 0.1}, {"quantity": 2, "unit_price": 12.95}],
        },
        {"id": "cart_3", "customer": None, "items": []},
    ]


async def test_relations_of_relations_and_their_stars_are_given(query: QueryService) -> None:
    result = await query.graph(
        "cart_line_item", ["cart.customer.carts.id", "cart.customer.*"], {"id": "cali_2"}
    )
    customer = result.data[0]["cart"]["customer"]
    assert customer["carts"] == [{"id": "cart_1"}, {"id": "cart_4"}]
    assert set(customer) == {*CustomerRow.__table__.c.keys(), "carts"}
    whole = await query.graph("customer", ["carts"], {"id": "cus_2"})
    assert whole.data[0]["carts"][0]["currency_code"] == "usd"


async def test_a_relation_costs_one_query_however_many_entities_there_are(
    query: QueryService,
) -> None:
    with statements() as sent:
        await query.graph("cart", ["id", "items.*", "customer.carts.id"])
    assert len(sent) == 4


async def test_metadata_come_with_skip_only(query: QueryService) -> None:
    page: Pagination = {"skip": 1, "take": 2}
    result = await query.graph("product", ["id"], pagination=page)
    assert ids(result) == "23"
    assert result.metadata
    assert result.metadata.model_dump() == {"count": 4, "skip": 1, "take": 2}
    assert (await query.graph("product", ["id"], pagination={"take": 2})).metadata is None
    everything = await query.graph("product", ["id"], {"status": "draft"}, {"skip": 0})
    assert everything.metadata
    assert everything.metadata.model_dump() == {"count": 2, "skip": 0, "take": None}
    assert ids(await query.graph("product", ["id"], pagination={"skip": 3})) == "4"
    assert ids(await query.graph("product", ["id"], pagination={"take": 0})) == ""


@pytest.mark.parametrize(
    ("entity", "order", "expected"),
    [
        ("product", {"id": "DESC"}, "4321"),
        ("product", {"status": "asc"}, "1324"),
        ("product", {"status": "ASC", "created_at": "DESC"}, "3124"),
        ("product", {"weight": "ASC"}, "1234"),
        ("product", {"weight": "DESC"}, "3421"),
        ("cart", {"customer": {"email": "ASC"}}, "2143"),
        ("cart", {"customer": {"email": "DESC"}, "id": "DESC"}, "3412"),
        ("cart_line_item", {"cart": {"customer": {"email": "ASC"}}}, "312"),
    ],
)
async def test_results_are_ordered(
    query: QueryService, entity: str, order: dict[str, Any], expected: str
) -> None:
    assert ids(await query.graph(entity, ["id"], pagination={"order": order})) == expected


async def test_amounts_are_compared_exactly(query: QueryService) -> None:
    for price in (0.1, "0.10", Decimal("0.1")):
        assert ids(await query.graph("cart_line_item", ["id"], {"unit_price": price})) == "1"
    found = await query.graph("cart_line_item", ["id"], {"unit_price": {"$gt": 12.94, "$lt": 99}})
    assert ids(found) == "2"


async def test_json_of_related_entities_can_be_filtered_by(query: QueryService) -> None:
    filters = {"customer": {"metadata": {"newsletter": True}}}
    assert ids(await query.graph("cart", ["id"], filters)) == "14"


async def test_results_are_plain_json(query: QueryService) -> None:
    result = await query.graph("cart", ["*", "items.*", "customer.*"])
    adapter = TypeAdapter(GraphResult)
    assert adapter.validate_json(adapter.dump_json(result)) == result


REFUSED: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (EntityUnknown, "no entity is named 'prodcut': did you mean 'product'", {"entity": "prodcut"}),
    (EntityUnknown, "Known are product, product_variant, cart", {"entity": "products"}),
    (EntityUnknown, "no entity", {"entity": "product; DROP TABLE cart"}),
    (FieldUnknown, "no field 'titel': did you mean 'title'", {"fields": ["titel"]}),
    (FieldUnknown, "no field 'title; DROP", {"fields": ["title; DROP TABLE product"]}),
    (FieldUnknown, "no field '1) --'", {"fields": ["variants.1) --"]}),
    (FieldUnknown, "product_variant has no field 'skus'", {"fields": ["variants.skus"]}),
    (FieldUnknown, "no field 'title'", {"fields": ["title.length"]}),
    (FieldUnknown, "no field '__table__'", {"fields": ["__table__"]}),
    (FieldUnknown, "filters: product has no field 'state'", {"filters": {"state": 1}}),
    (FieldUnknown, "no field 'id\" = id'", {"filters": {'id" = id': 1}}),
    (FieldUnknown, "filters.variants: product_variant has no", {"filters": {"variants": {"x": 1}}}),
    (FieldUnknown, "pagination.order", {"pagination": {"order": {"id; --": "ASC"}}}),
    (OperatorUnknown, "'$gtt': did you mean '$gt'", {"filters": {"weight": {"$gtt": 1}}}),
    (OperatorUnknown, "known are $and, $or", {"filters": {"$xyzzy": []}}),
    (QueryInvalid, "compares a field", {"filters": {"$eq": 1}}),
    (QueryInvalid, "stands among operators", {"filters": {"weight": {"$gt": 1, "lt": 2}}}),
    (QueryInvalid, "no operator is given", {"filters": {"weight": {}}}),
    (QueryInvalid, "at least one filter", {"filters": {"$or": []}}),
    (QueryInvalid, "a dictionary", {"filters": {"$not": []}}),
    (QueryInvalid, "a dictionary", {"filters": {"variants": "x"}}),
    (QueryInvalid, "a text is needed, not int", {"filters": {"title": 1}}),
    (QueryInvalid, "a boolean is needed, not int", {"filters": {"is_giftcard": 1}}),
    (QueryInvalid, "a number is needed, not bool", {"filters": {"weight": True}}),
    (QueryInvalid, "a text is needed, not NoneType", {"filters": {"title": {"$gt": None}}}),
    (QueryInvalid, "no number", {"filters": {"weight": "heavy"}}),
    (QueryInvalid, "beyond the numbers", {"filters": {"weight": float("inf")}}),
    (QueryInvalid, "32 bits", {"entity": "cart_line_item", "filters": {"quantity": 2**40}}),
    (QueryInvalid, "null is in no list", {"filters": {"title": ["a", None]}}),
    (QueryInvalid, "a list of values", {"filters": {"title": {"$in": "ab"}}}),
    (QueryInvalid, "too many for one query", {"filters": {"title": ["a"] * 30_001}}),
    (QueryInvalid, "no regular expression", {"filters": {"title": {"$re": "("}}}),
    (QueryInvalid, "single backslash", {"filters": {"title": {"$like": "a\\"}}}),
    (QueryInvalid, "with a pattern", {"filters": {"weight": {"$like": 1}}}),
    (QueryInvalid, "true and false", {"filters": {"is_giftcard": {"$gt": False}}}),
    (QueryInvalid, "code 0", {"filters": {"title": "a\0"}}),
    (QueryInvalid, "no date", {"filters": {"created_at": "yesterday"}}),
    (QueryInvalid, "no time zone", {"filters": {"created_at": "2026-03-01T00:00:00"}}),
    (QueryInvalid, "is JSON", {"filters": {"metadata": "x"}}),
    (QueryInvalid, "JSON path", {"filters": {"metadata": {'a"': 1}}}),
    (QueryInvalid, "of one type", {"filters": {"metadata": {"a": [1, "1"]}}}),
    (QueryInvalid, "name at least one", {"fields": []}),
    (QueryInvalid, "list of names", {"fields": "id"}),
    (QueryInvalid, "too many relations", {"fields": [".".join(["variants", "product"] * 9)]}),
    (QueryInvalid, "number of rows", {"pagination": {"skip": -1}}),
    (QueryInvalid, "number of rows", {"pagination": {"take": True}}),
    (QueryInvalid, "no key 'limit'", {"pagination": {"limit": 1}}),
    (QueryInvalid, "ASC or DESC", {"pagination": {"order": {"id": "up"}}}),
    (QueryInvalid, "none to order by", {"pagination": {"order": {"variants": {"id": "ASC"}}}}),
    (QueryInvalid, "JSON has no order", {"pagination": {"order": {"metadata": "ASC"}}}),
]


async def test_what_means_nothing_is_refused_with_a_way_to_mend_it(query: QueryService) -> None:
    with statements() as sent:
        for kind, message, arguments in REFUSED:
            graph: Any = query.graph
            with pytest.raises(kind) as refused:
                await graph(**{"entity": "product", "fields": ["id"], **arguments})
            assert message in str(refused.value), arguments
            assert isinstance(refused.value, ValueError)
    assert sent == []


async def test_filters_nested_without_end_are_refused(query: QueryService) -> None:
    for nested in ({"status": "draft"}, {"metadata": {"a": 1}}):
        for group in ("$not", "$and"):
            filters: dict[str, Any] = nested
            for _ in range(500):
                filters = {group: filters if group == "$not" else [filters]}
            with pytest.raises(QueryInvalid, match="deep"):
                await query.graph("product", ["id"], filters)
