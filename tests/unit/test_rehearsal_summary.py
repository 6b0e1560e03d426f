"""How a rehearsal puts together what it has seen."""

from typing import Any

import pytest

from euryale.rehearsal.activities import KnownActivity
from euryale.rehearsal.stage import Noted, What
from euryale.rehearsal.summary import brief, grouped, in_order, sentence


def noted(name: str, *, what: What = "mutation", where: str = "", **arguments: Any) -> Noted:
    return Noted(what, name, arguments, workflow="job", workflow_id="1", where=where)


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("product.update", 1, "update 1 product"),
        ("category.delete", 1000, "delete 1,000 categories"),
        ("day.close", 2, "close 2 days"),
        ("box.send_out", 3, "send out 3 boxes"),
        ("newsletter.send-weekly", 2, "send 2 weekly newsletters"),
        ("cart.delete_many", 200, "delete 200 carts"),
        ("shop.order_line.set", 2, "set 2 order lines"),
        ("cart.all", 2, "all 2 carts"),
        ("wipe", 1, "call wipe"),
        ("wipe", 3, "call wipe 3 times"),
    ],
)
def test_a_sentence_is_made_of_the_name(name: str, count: int, words: str) -> None:
    assert sentence("mutation", name, count) == words


def test_the_words_of_the_declaration_come_first() -> None:
    known = {"mail.send": KnownActivity("mail.send", "mutation", words="send {} mails")}
    (group,) = grouped([noted("mail.send", to="a")] * 1200, known)
    assert group.sentence == "send 1,200 mails"


def test_equal_arguments_are_told_once_and_ten_of_the_others() -> None:
    calls = [noted("item.set", item_id=str(n), size=n % 2, status="on") for n in range(12)]
    (group,) = grouped(calls, {})
    assert group.common == {"status": "on"}
    assert group.things[:2] == ("0 size=0", "1 size=1")
    assert (len(group.things), group.count) == (10, 12)


def test_calls_without_arguments_have_no_things() -> None:
    (group,) = grouped([noted("stock.count"), noted("stock.count")], {})
    assert (group.things, group.sentence) == ((), "count 2 stocks")


def test_a_list_that_is_not_known_counts_as_a_call() -> None:
    (group,) = grouped(
        [noted("cart.delete", ids={"unknown": "cart.find"}), noted("cart.delete", ids=["a", "b"])],
        {},
    )
    assert (group.count, group.things) == (2, ("<cart.find>", "2 items"))


def test_an_empty_list_is_about_nothing() -> None:
    (group,) = grouped([noted("cart.delete", ids=[])], {})
    assert (group.count, group.things, group.sentence) == (0, (), "delete 0 carts")


def test_groups_come_in_the_order_of_their_first_calls() -> None:
    calls = [noted("b.x", where="f:1"), noted("a.x"), noted("b.x", where="f:2")]
    assert [(each.name, each.lines) for each in grouped(calls, {})] == [
        ("b.x", ("f:1", "f:2")),
        ("a.x", ()),
    ]
    assert [each.name for each in in_order(calls, {})] == ["b.x", "a.x", "b.x"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 100, "x" * 60 + "…"),
        (True, "true"),
        (1.5, "1.5"),
        ([], "0 items"),
        (["one"], "one"),
        ({}, "{}"),
        ({"name": "Mug", "size": 1}, "Mug"),
        ({"id": ["a", "b"]}, "2 items"),
    ],
)
def test_a_value_is_told_in_a_few_words(value: object, text: str) -> None:
    assert brief(value) == text
