"""Generated filters find in both databases what plain Python finds in the same rows."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from worker.services import QueryService
from worker.store import Store
from worker.store.tables import ProductRow, ProductVariantRow

DAY = datetime(2026, 3, 1, tzinfo=UTC)
TITLES = ["", "a", "A", "a%b", "ab", "a_b"]
WEIGHTS = [None, 0.0, 1.5, 2.0]
METADATA: list[dict[str, Any] | None] = [
    None,
    {},
    {"k": True},
    {"k": 1},
    {"k": "1", "n": {"k": "ab"}},
    {"k": None, "n": {"k": 2.5}},
]

PRODUCTS: list[dict[str, Any]] = [
    {
        "id": f"prod_{number:02d}",
        "handle": f"p{number}",
        "title": TITLES[number % len(TITLES)],
        "weight": weight,
        "metadata": metadata,
        "is_giftcard": number % 3 == 0,
        "updated_at": DAY + timedelta(hours=number % 5),
    }
    for number, (weight, metadata) in enumerate(product(WEIGHTS, METADATA))
]
VARIANTS: list[dict[str, Any]] = [
    {
        "id": f"variant_{number:02d}",
        "product_id": PRODUCTS[number % 7]["id"],
        "title": TITLES[number % len(TITLES)],
        "variant_rank": number % 4 or None,
    }
    for number in range(12)
]

Truth = bool | None


def is_not(value: Truth) -> Truth:
    return None if value is None else not value


def is_all(values: list[Truth]) -> Truth:
    return False if False in values else None if None in values else True


def like(value: str, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> bool:
    expression = "".join({"%": ".*", "_": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, value, re.DOTALL | flags) is not None


def compares(operator: str, operand: Any) -> Callable[[Any], bool]:
    return {
        "$eq": lambda value: value == operand,
        "$ne": lambda value: value != operand,
        "$in": lambda value: value in operand,
        "$nin": lambda value: value not in operand,
        "$gt": lambda value: value > operand,
        "$gte": lambda value: value >= operand,
        "$lt": lambda value: value < operand,
        "$lte": lambda value: value <= operand,
        "$re": lambda value: re.search(operand, value) is not None,
        "$like": lambda value: like(value, operand),
        "$ilike": lambda value: like(value, operand, re.IGNORECASE),
    }[operator]


def type_of(value: Any) -> object:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def matches(value: Any, condition: Any, *, json: bool) -> Truth:
    """A field's value against what a filter says of it."""
    if isinstance(condition, list):
        condition = {"$in": condition}
    elif not isinstance(condition, dict):
        condition = {"$eq": condition}
    if json and not any(name.startswith("$") for name in condition):
        keys = value if isinstance(value, dict) else {}
        return is_all([matches(keys.get(key), each, json=True) for key, each in condition.items()])
    truths: list[Truth] = []
    for operator, operand in condition.items():
        if operator == "$not":
            truths.append(is_not(matches(value, operand, json=json)))
        elif operand is None:
            truths.append((value is None) == (operator == "$eq"))
        elif operand == []:
            truths.append(operator == "$nin")
        else:
            sample = operand[0] if isinstance(operand, list) else operand
            known = value is not None and (not json or type_of(value) == type_of(sample))
            truths.append(compares(operator, operand)(value) if known else None)
    return is_all(truths)


def meets(row: dict[str, Any], filters: dict[str, Any]) -> Truth:
    """A row against filters, in SQL's logic of three values."""
    truths: list[Truth] = []
    for name, condition in filters.items():
        if name == "$and":
            truths.append(is_all([meets(row, each) for each in condition]))
        elif name == "$or":
            truths.append(is_not(is_all([is_not(meets(row, each)) for each in condition])))
        elif name == "$not":
            truths.append(is_not(meets(row, condition)))
        elif name == "variants":
            related = [each for each in VARIANTS if each["product_id"] == row["id"]]
            truths.append(
                not related
                if condition is None
                else any(meets(each, condition) is True for each in related)
            )
        else:
            truths.append(matches(row.get(name), condition, json=name == "metadata"))
    return is_all(truths)


def conditions(values: st.SearchStrategy[Any], *operators: str) -> st.SearchStrategy[Any]:
    """What a filter can say of a field that holds such values."""
    lists = st.lists(values, max_size=3)
    single = st.one_of(
        st.fixed_dictionaries({}, optional=dict.fromkeys(operators, values)).filter(bool),
        st.fixed_dictionaries({"$nin": lists}),
        st.fixed_dictionaries({"$ne": st.none()}),
    )
    negated = single.map(lambda each: {"$not": each})
    return st.one_of(values, st.none(), lists, single, negated)


ORDERED = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")
PATTERNS = ("$eq", "$ne", "$like", "$ilike")
titles = conditions(st.sampled_from([*TITLES, "%", "_", "A%"]), *PATTERNS)
numbers = conditions(st.sampled_from([0.0, 1.5, 2.0, 3.0]), *ORDERED)
in_json = st.one_of(
    conditions(st.sampled_from([1, 2.5]), *ORDERED),
    conditions(st.sampled_from(["1", "ab", "a%"]), *PATTERNS, "$re"),
    conditions(st.booleans(), "$eq", "$ne"),
)
fields = st.one_of(
    titles.map(lambda each: {"title": each}),
    numbers.map(lambda each: {"weight": each}),
    conditions(st.booleans(), "$eq", "$ne").map(lambda each: {"is_giftcard": each}),
    conditions(st.integers(0, 5).map(lambda hours: DAY + timedelta(hours=hours)), *ORDERED).map(
        lambda each: {"updated_at": each}
    ),
    in_json.map(lambda each: {"metadata": {"k": each}}),
    in_json.map(lambda each: {"metadata": {"n": {"k": each}}}),
    st.sampled_from([{"metadata": None}, {"variants": None}, {"variants": {}}]),
    titles.map(lambda each: {"variants": {"title": each}}),
    conditions(st.integers(0, 3), *ORDERED).map(lambda each: {"variants": {"variant_rank": each}}),
)
filters_of_products = st.recursive(
    fields,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"$and": each}),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"$or": each}),
        inner.map(lambda each: {"$not": each}),
        st.tuples(inner, inner).map(lambda each: {**each[0], **each[1]}),
    ),
    max_leaves=5,
)


@pytest.fixture
async def query(store: Store) -> QueryService:
    async with store.begin() as session:
        await session.execute(insert(ProductRow.__table__), PRODUCTS)  # type: ignore[arg-type]
        await session.execute(insert(ProductVariantRow.__table__), VARIANTS)  # type: ignore[arg-type]
    return QueryService(store)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    # The rows are only read: one shop serves all the examples.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(filters=filters_of_products)
async def test_a_filter_finds_what_plain_python_finds(
    query: QueryService, filters: dict[str, Any]
) -> None:
    found = await query.graph("product", ["id"], filters)
    expected = [row["id"] for row in PRODUCTS if meets(row, filters) is True]
    assert [each["id"] for each in found.data] == expected
