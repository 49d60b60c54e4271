"""Cancellations: every wish in every state, and what is sent."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from integrations.emag.matrices import OrderStatus
from integrations.emag.reasons import ERP_REASONS
from integrations.emag.routes import ORDER_ACKNOWLEDGE, ORDER_SAVE
from integrations.erp.rows import CancellationRow, Item
from integrations.sync.plan import Do, Plan, Synced, body_of
from integrations.sync.plan_cancellations import Policy
from tests.integrations.sync.model import (
    CARD,
    ORDER_ID,
    an_item,
    an_order,
    cancellation_row,
    raw_line,
    raw_order,
)
from tests.integrations.sync.planning_cancellations import (
    CANCELED,
    FINALIZED,
    IN_PROGRESS,
    NEW,
    PART,
    PREPARED,
    RETURNED,
    in_short,
    plan,
    reason_of,
)

# The law of cancellations while every window is open. Columns: the order's status; rows: what is
# to be cancelled, and the cancellation's refund_status.
TABLE = """
                  0       1                       2         3         4               5
whole             synced  acknowledge,2->0        2->0      3->0      4->0            refused
whole,processing  synced  acknowledge,2->0        2->0      3->0      storno_4->5     synced
whole,completed   synced  acknowledge,2->0        2->0      3->0      4->0            synced
whole,failed      synced  acknowledge,2->0        2->0      3->0      4->0            refused
part              synced  acknowledge,2->1_of_7   2->1_of_7 2->1_of_7 refused         refused
part,processing   synced  acknowledge,2->1_of_7   2->1_of_7 2->1_of_7 storno_2->1_of_7 synced
part,completed    synced  acknowledge,2->1_of_7   2->1_of_7 2->1_of_7 refused         synced
part,nonsense     synced  acknowledge,2->1_of_7   2->1_of_7 2->1_of_7 refused         refused
"""


def _cell(text: str) -> str:
    return (
        text.replace("->", " -> ").replace(",", ", ").replace("_of_", "_of_line_").replace("_", " ")
    )


CELLS = {
    (wish, status): _cell(cell)
    for wish, *cells in map(str.split, TABLE.strip().splitlines()[1:])
    for status, cell in enumerate(cells)
}
WISHES = sorted({wish for wish, _ in CELLS})


def wanted(wish: str) -> CancellationRow:
    extent, _, refund = wish.partition(",")
    return cancellation_row(*([PART] if extent == "part" else []), refund=refund or None)


def test_the_table_holds_every_wish_and_every_status() -> None:
    assert CELLS.keys() == set(product(WISHES, OrderStatus))


@pytest.mark.parametrize(("wish", "status"), CELLS)
def test_every_wish_in_every_state(wish: str, status: int) -> None:
    assert in_short(plan(wanted(wish), an_order(status))) == CELLS[wish, status]


@pytest.mark.parametrize(("wish", "status"), CELLS)
def test_orders_that_emag_fulfils_are_never_written(wish: str, status: int) -> None:
    outcome = plan(wanted(wish), an_order(status, type=2))
    if CELLS[wish, status] == "synced":
        assert isinstance(outcome, Synced)
    else:
        assert "fulfilled by eMAG" in reason_of(outcome)


@pytest.mark.parametrize(("wish", "status"), CELLS)
def test_of_a_card_order_nothing_is_taken_off_before_it_is_finalized(
    wish: str, status: int
) -> None:
    outcome = plan(wanted(wish), an_order(status, payment_mode_id=CARD))
    if "1 of line" in CELLS[wish, status] and status != FINALIZED:
        assert "card" in reason_of(outcome)
    else:
        assert in_short(outcome) == CELLS[wish, status]


@pytest.mark.parametrize(("wish", "status"), CELLS)
def test_every_status_and_wish_has_a_word_in_emag_status(wish: str, status: int) -> None:
    outcome = plan(wanted(wish), an_order(status))
    then = outcome.then if isinstance(outcome, Do) else outcome
    if not isinstance(then, Synced):
        return
    cell = CELLS[wish, status]
    storno = "storno" in cell or status == RETURNED
    words = ("partially_returned", "returned") if storno else ("partially_canceled", "canceled")
    assert then.emag_status == words["of line" not in cell]
    assert then.emag_id == str(ORDER_ID)


def test_an_order_that_is_not_found_is_refused() -> None:
    assert f"Order {ORDER_ID} is not known" in reason_of(plan(cancellation_row(), None))


def test_a_status_of_emags_that_nobody_knows_is_refused() -> None:
    for row in (cancellation_row(), cancellation_row(PART)):
        assert "9 (unknown)" in reason_of(plan(row, an_order(9)))


NO_REASON: dict[str, Any] = {"reason_cancellation": None}


def sent_body(outcome: Plan) -> dict[str, Any] | None:
    assert isinstance(outcome, Do), outcome
    return body_of(outcome.steps[0])


def with_lines(raw: dict[str, Any], changes: dict[int, dict[str, int]]) -> dict[str, Any]:
    lines = [line | changes.get(line["id"], {}) for line in raw["products"]]
    return raw | {"products": lines}


class TestBodies:
    """What is sent, and that all else is sent back as it was read."""

    def test_an_order_is_cancelled_with_its_reason(self) -> None:
        outcome = plan(cancellation_row(reason="inventory_unavailable"), an_order(IN_PROGRESS))
        assert isinstance(outcome, Do)
        (step,) = outcome.steps
        assert (step.route, step.subject) == (ORDER_SAVE, ORDER_ID)
        expected = raw_order(IN_PROGRESS) | {"status": 0, "reason_cancellation": 33}
        assert body_of(step) == expected

    def test_a_new_order_is_acknowledged_first_without_a_body(self) -> None:
        outcome = plan(cancellation_row(), an_order(NEW))
        assert isinstance(outcome, Do)
        first = outcome.steps[0]
        assert (first.route, first.subject, body_of(first)) == (ORDER_ACKNOWLEDGE, ORDER_ID, None)

    @pytest.mark.parametrize(
        ("items", "changes"),
        [
            ([an_item("1007", 1)], {7: {"quantity": 1}}),
            ([an_item("1007", 2)], {7: {"status": 0}}),
            ([an_item("1007", 1), an_item("1008")], {7: {"quantity": 1}, 8: {"status": 0}}),
        ],
    )
    def test_a_line_gets_less_or_goes(
        self, items: list[Item], changes: dict[int, dict[str, int]]
    ) -> None:
        outcome = plan(cancellation_row(*items), an_order(IN_PROGRESS))
        assert sent_body(outcome) == with_lines(raw_order(IN_PROGRESS), changes) | NO_REASON

    @pytest.mark.parametrize(
        ("items", "changes"),
        [
            ([an_item("1007", 1)], {7: {"quantity": 1}}),
            ([an_item("1007", 2)], {7: {"quantity": 0}}),
        ],
    )
    def test_a_storno_of_a_part_keeps_the_status(
        self, items: list[Item], changes: dict[int, dict[str, int]]
    ) -> None:
        outcome = plan(cancellation_row(*items, refund="processing"), an_order(FINALIZED))
        storno = {"is_storno": True}
        expected = with_lines(raw_order(FINALIZED), changes) | storno | NO_REASON
        assert sent_body(outcome) == expected

    def test_a_storno_of_the_whole_is_the_status_alone(self) -> None:
        outcome = plan(cancellation_row(refund="processing", reason=None), an_order(FINALIZED))
        assert sent_body(outcome) == raw_order(FINALIZED) | {"status": 5} | NO_REASON

    def test_a_label_names_few_of_many_lines(self) -> None:
        lines = [raw_line(each, 2) for each in range(1, 21)]
        items = [an_item(line=each, quantity=1) for each in range(1, 21)]
        outcome = plan(cancellation_row(*items), an_order(IN_PROGRESS, lines))
        assert in_short(outcome).endswith("2 -> 1 of line 5, and 15 more")


class TestReasons:
    """Why an order is cancelled."""

    @pytest.mark.parametrize(("word", "number"), ERP_REASONS.items())
    def test_each_word_of_the_erp_has_one_of_emags(self, word: str, number: int) -> None:
        body = sent_body(plan(cancellation_row(reason=word), an_order(IN_PROGRESS)))
        assert body is not None
        assert body["reason_cancellation"] == number

    def test_a_seller_may_have_others(self) -> None:
        policy = Policy(reasons={**ERP_REASONS, "other": 21, "ours": 1})
        for word, number in {"other": 21, "ours": 1, "administrative": 31}.items():
            row = cancellation_row(reason=word)
            body = sent_body(plan(row, an_order(IN_PROGRESS), policy=policy))
            assert body is not None
            assert body["reason_cancellation"] == number

    @pytest.mark.parametrize("word", [None, "", "nonsense", "x" * 10_000, "\u0219"])
    @pytest.mark.parametrize("status", [NEW, IN_PROGRESS, PREPARED, FINALIZED])
    def test_any_other_word_is_refused_and_the_words_are_named(
        self, word: str | None, status: OrderStatus
    ) -> None:
        reason = reason_of(plan(cancellation_row(reason=word), an_order(status)))
        assert "administrative, customer_request, fraud_suspected" in reason
        assert reason.isascii()
        assert len(reason) < 300

    def test_none_is_needed_where_none_is_sent(self) -> None:
        row = cancellation_row(PART, reason="nonsense")
        assert in_short(plan(row, an_order(IN_PROGRESS))) == "2 -> 1 of line 7"
        assert isinstance(plan(cancellation_row(reason="nonsense"), an_order(CANCELED)), Synced)
        row = cancellation_row(reason="nonsense", refund="processing")
        assert in_short(plan(row, an_order(FINALIZED))) == "storno 4 -> 5"
