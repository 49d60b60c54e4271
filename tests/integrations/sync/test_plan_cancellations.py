"""Cancellations: every wish in every state, windows at their edges, parts of orders, crashes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest

from integrations.emag.matrices import OrderStatus
from integrations.emag.reasons import ERP_REASONS
from integrations.emag.routes import ORDER_ACKNOWLEDGE, ORDER_SAVE
from integrations.emag.wire import Order
from integrations.erp.rows import CancellationRow, Item
from integrations.sync.plan import (
    Do,
    Event,
    Known,
    Plan,
    Refused,
    Synced,
    Waiting,
    Withdrawn,
    body_of,
)
from integrations.sync.plan_cancellations import Policy, plan_cancellation
from tests.integrations.sync.model import (
    CARD,
    NOW,
    ORDER_ID,
    RETURN_DAYS,
    Emag,
    an_item,
    an_order,
    cancellation_row,
    raw_line,
    raw_order,
)

UNKNOWN = Known()
POLICY = Policy(return_days=RETURN_DAYS)
PART = an_item("1007", 1)
ALL = (an_item("1007", 2), an_item("1008"))
CANCELED, NEW, IN_PROGRESS, PREPARED, FINALIZED, RETURNED = OrderStatus
HOURS_48 = timedelta(hours=48)
RETURN_TIME = timedelta(days=RETURN_DAYS + 5)
SECOND = timedelta(seconds=1)


def plan(
    row: CancellationRow | None,
    order: Order | None,
    *,
    known: Known = UNKNOWN,
    now: datetime = NOW,
    policy: Policy = POLICY,
) -> Plan:
    return plan_cancellation(row, known, order, now, policy)


def in_short(plan: Plan) -> str:
    """A plan in one word: its steps, or what it is and waits for."""
    match plan:
        case Do():
            return ", ".join(step.label for step in plan.steps)
        case Waiting():
            return plan.event.value
        case _:
            return type(plan).__name__.lower()


def reason_of(plan: Plan) -> str:
    assert isinstance(plan, Refused | Waiting | Withdrawn), plan
    return plan.reason


def sent(plan: Plan) -> Known:
    """What our books hold once the plan's first step has left."""
    assert isinstance(plan, Do), plan
    return Known(sent=True, reductions=plan.reductions)


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


NO_REASON: dict[str, Any] = {"reason_cancellation": None}


def sent_body(outcome: Plan) -> dict[str, Any] | None:
    assert isinstance(outcome, Do), outcome
    return body_of(outcome.steps[0])


def with_lines(raw: dict[str, Any], changes: dict[int, dict[str, int]]) -> dict[str, Any]:
    lines = [line | changes.get(line["id"], {}) for line in raw["products"]]
    return raw | {"products": lines}


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


class TestWindows:
    """48 hours for cancelling, the return time and 5 days for storno."""

    @pytest.mark.parametrize(
        ("row", "window"),
        [
            (cancellation_row(), HOURS_48),
            (cancellation_row(refund="processing"), RETURN_TIME),
            (cancellation_row(PART, refund="processing"), RETURN_TIME),
        ],
    )
    def test_the_last_second_counts_and_the_next_does_not(
        self, row: CancellationRow, window: timedelta
    ) -> None:
        assert isinstance(plan(row, an_order(FINALIZED, finalized_ago=window)), Do)
        late = an_order(FINALIZED, finalized_ago=window + SECOND)
        assert "which are over" in reason_of(plan(row, late))

    @pytest.mark.parametrize(
        ("row", "window"),
        [(cancellation_row(), HOURS_48), (cancellation_row(refund="processing"), RETURN_TIME)],
    )
    def test_without_a_finalization_date_the_last_change_counts(
        self, row: CancellationRow, window: timedelta
    ) -> None:
        order = an_order(FINALIZED, finalized_ago=window, finalization_date=None)
        assert isinstance(plan(row, order), Do)
        assert isinstance(plan(row, order, now=NOW + SECOND), Refused)

    @pytest.mark.parametrize("finalized_at", [None, "", "nonsense", []])
    @pytest.mark.parametrize(
        "row",
        [
            cancellation_row(),
            cancellation_row(refund="processing"),
            cancellation_row(PART, refund="processing"),
        ],
    )
    def test_without_either_nothing_is_legal(
        self, row: CancellationRow, finalized_at: object
    ) -> None:
        order = an_order(FINALIZED, finalization_date=finalized_at, modified=None)
        assert "no time from which they count" in reason_of(plan(row, order))

    def test_orders_in_progress_need_no_date(self) -> None:
        order = an_order(IN_PROGRESS, modified=None)
        assert in_short(plan(cancellation_row(), order)) == "2 -> 0"

    def test_past_48_hours_the_storno_is_named_as_the_way_out(self) -> None:
        order = an_order(FINALIZED, finalized_ago=HOURS_48 + SECOND)
        assert "set refund_status to processing" in reason_of(plan(cancellation_row(), order))

    def test_a_part_of_a_finalized_order_names_the_same_way_out(self) -> None:
        outcome = plan(cancellation_row(PART), an_order(FINALIZED))
        assert "set refund_status to processing" in reason_of(outcome)

    @pytest.mark.parametrize("items", [(), (PART,)])
    @pytest.mark.parametrize("refund", [None, "processing"])
    def test_past_the_return_time_no_way_out_is_promised(
        self, items: tuple[Item, ...], refund: str | None
    ) -> None:
        order = an_order(FINALIZED, finalized_ago=RETURN_TIME + SECOND)
        reason = reason_of(plan(cancellation_row(*items, refund=refund), order))
        assert "outside eMAG" in reason
        assert "set refund_status to processing" not in reason

    def test_the_return_time_is_the_sellers(self) -> None:
        order = an_order(FINALIZED, finalized_ago=timedelta(days=20))
        row = cancellation_row(refund="processing")
        assert isinstance(plan(row, order, policy=Policy(return_days=15)), Do)
        assert isinstance(plan(row, order, policy=Policy(return_days=14)), Refused)

    def test_a_clock_behind_emags_harms_nothing(self) -> None:
        order = an_order(FINALIZED, finalized_ago=timedelta(hours=-2))
        assert isinstance(plan(cancellation_row(), order), Do)


class TestItems:
    """Which line an item means, and how much of it."""

    @pytest.mark.parametrize(
        "item",
        [
            an_item(line=7, quantity=1),
            an_item("1007", 1),
            an_item(sku="PN-7", quantity=1),
            an_item(sku="EPN-7", quantity=1),
            an_item("1008", 1, line=7),
            an_item("1007", 1, sku="PN-8"),
            an_item("1007", 1, line=999),
            an_item("nonsense", 1, sku="PN-7"),
            an_item("1007", "1.000"),
        ],
    )
    def test_a_line_is_named_by_its_id_else_its_product_else_its_sku(self, item: Item) -> None:
        outcome = plan(cancellation_row(item), an_order(IN_PROGRESS))
        assert in_short(outcome) == "2 -> 1 of line 7"

    @pytest.mark.parametrize(
        "item",
        [an_item("nonsense"), an_item(), an_item(line="7.0"), an_item(sku="\u0219" * 10_000)],
    )
    def test_an_item_that_fits_no_line_is_refused(self, item: Item) -> None:
        reason = reason_of(plan(cancellation_row(item), an_order(IN_PROGRESS)))
        assert "fits no line" in reason
        assert reason.isascii()
        assert len(reason) < 500

    def test_an_item_that_fits_several_lines_is_refused(self) -> None:
        lines = [raw_line(7, 2), raw_line(8, 1, product_id="1007")]
        order = an_order(IN_PROGRESS, lines)
        assert "fits several lines" in reason_of(plan(cancellation_row(PART), order))
        by_line = cancellation_row(an_item("1007", 1, line=7))
        assert in_short(plan(by_line, order)) == "2 -> 1 of line 7"

    def test_of_several_lines_the_one_still_in_the_order_is_meant(self) -> None:
        lines = [raw_line(6, 2, 0, product_id="1007"), raw_line(7, 2), raw_line(8, 1)]
        outcome = plan(cancellation_row(PART), an_order(IN_PROGRESS, lines))
        assert in_short(outcome) == "2 -> 1 of line 7"

    @pytest.mark.parametrize(
        "quantity", ["0", "-1", "0.5", "1.5", "3", "1E+1000000", "NaN", "-NaN", "sNaN", "Infinity"]
    )
    @pytest.mark.parametrize("status", [NEW, IN_PROGRESS, FINALIZED])
    def test_a_quantity_must_be_whole_and_there(self, quantity: str, status: OrderStatus) -> None:
        row = cancellation_row(an_item("1007", quantity), refund="processing")
        reason = reason_of(plan(row, an_order(status)))
        assert "quantity" in reason
        assert len(reason) < 300

    def test_no_quantity_means_the_whole_line(self) -> None:
        outcome = plan(cancellation_row(an_item("1007")), an_order(IN_PROGRESS))
        assert in_short(outcome) == "2 -> 0 of line 7"

    def test_several_items_of_a_line_add_up(self) -> None:
        row = cancellation_row(an_item("1007", 1), an_item(sku="PN-7", quantity=1))
        assert in_short(plan(row, an_order(IN_PROGRESS))) == "2 -> 0 of line 7"
        row = cancellation_row(an_item("1007", 1), an_item("1007", 1), an_item("1007", 1))
        assert "take 3 of line 7" in reason_of(plan(row, an_order(IN_PROGRESS)))

    @pytest.mark.parametrize(
        "items",
        [
            ALL,
            (an_item("1007"), an_item("1008", 1)),
            (an_item("1007", 1), an_item(line=7, quantity=1), an_item("1008")),
        ],
    )
    def test_items_that_cover_everything_cancel_the_order(self, items: tuple[Item, ...]) -> None:
        assert in_short(plan(cancellation_row(*items), an_order(IN_PROGRESS))) == "2 -> 0"
        row = cancellation_row(*items, refund="processing")
        assert in_short(plan(row, an_order(FINALIZED))) == "storno 4 -> 5"

    def test_only_lines_in_the_order_must_be_covered(self) -> None:
        lines = [raw_line(7, 2), raw_line(8, 1, status=0)]
        row = cancellation_row(an_item("1007", 2))
        assert in_short(plan(row, an_order(IN_PROGRESS, lines))) == "2 -> 0"

    def test_an_item_of_a_line_that_is_gone_has_what_it_wants(self) -> None:
        lines = [raw_line(7, 2), raw_line(8, 1, status=0), raw_line(9, 1)]
        gone = cancellation_row(an_item("1008", 1))
        outcome = plan(gone, an_order(IN_PROGRESS, lines))
        assert isinstance(outcome, Synced)
        assert outcome.emag_status == "partially_canceled"
        both = cancellation_row(an_item("1008", 1), an_item("1007", 1))
        assert in_short(plan(both, an_order(IN_PROGRESS, lines))) == "2 -> 1 of line 7"

    def test_items_of_lines_that_are_gone_never_cancel_the_order(self) -> None:
        lines = [raw_line(7, 2, status=0), raw_line(8, 1, status=0)]
        outcome = plan(cancellation_row(*ALL), an_order(IN_PROGRESS, lines))
        assert isinstance(outcome, Synced)

    def test_a_bad_item_matters_not_where_the_order_is_cancelled_already(self) -> None:
        assert isinstance(plan(cancellation_row(an_item("nope")), an_order(CANCELED)), Synced)


class TestCrashes:
    """Planning again after a request that was, or was not, applied."""

    @pytest.mark.parametrize("status", [NEW, IN_PROGRESS, PREPARED, FINALIZED])
    @pytest.mark.parametrize("items", [(), ALL, (PART,), (an_item("1007"), an_item("1009"))])
    @pytest.mark.parametrize("drops", [False, True])
    def test_an_applied_step_is_not_taken_twice(
        self, status: OrderStatus, items: tuple[Item, ...], drops: bool
    ) -> None:
        lines = [raw_line(7, 2), raw_line(8, 1)]
        if len(items) > 1 and items != ALL:
            lines.append(raw_line(9, 4))
        emag = Emag(raw_order(status, lines), drops_lines=drops)
        row = cancellation_row(*items, refund="processing")
        known = UNKNOWN
        while isinstance(outcome := plan(row, emag.order(), known=known), Do):
            known = sent(outcome)
            unsent = plan(row, emag.order(), known=known)
            assert in_short(unsent) == in_short(outcome)
            emag.apply(outcome.steps[0])
        assert isinstance(outcome, Synced)
        assert emag.effects == 1 + (status == NEW)
        assert plan(row, emag.order(), known=known) == outcome

    def test_targets_stay_when_other_lines_change(self) -> None:
        row = cancellation_row(PART)
        known = sent(plan(row, an_order(IN_PROGRESS)))
        order = an_order(IN_PROGRESS, [raw_line(7, 2), raw_line(8, 1, status=0)])
        outcome = plan(row, order, known=known)
        assert in_short(outcome) == "2 -> 1 of line 7"

    def test_whether_all_is_covered_is_judged_by_the_first_read(self) -> None:
        row = cancellation_row(PART)
        known = sent(plan(row, an_order(NEW)))
        order = an_order(IN_PROGRESS, [raw_line(7, 1), raw_line(8, 1, status=0)])
        assert isinstance(plan(row, order, known=known), Synced)
        row = cancellation_row(*ALL)
        known = sent(plan(row, an_order(NEW)))
        order = an_order(IN_PROGRESS, [raw_line(7, 2), raw_line(8, 1), raw_line(9, 1)])
        assert in_short(plan(row, order, known=known)) == "2 -> 0"

    @pytest.mark.parametrize("quantity", [0, 3])
    def test_anything_else_on_the_line_asks_a_person(self, quantity: int) -> None:
        row = cancellation_row(PART)
        known = sent(plan(row, an_order(IN_PROGRESS)))
        order = an_order(IN_PROGRESS, [raw_line(7, quantity), raw_line(8, 1)])
        outcome = plan(row, order, known=known)
        assert in_short(outcome) == Event.PERSON
        assert f"has {quantity} at eMAG, but 2 were to become 1" in reason_of(outcome)

    def test_a_line_that_vanished_asks_a_person(self) -> None:
        row = cancellation_row(PART)
        known = sent(plan(row, an_order(IN_PROGRESS)))
        outcome = plan(row, an_order(IN_PROGRESS, [raw_line(8, 1)]), known=known)
        assert in_short(outcome) == Event.PERSON

    def test_something_sent_without_a_record_of_it_asks_a_person(self) -> None:
        outcome = plan(cancellation_row(PART), an_order(IN_PROGRESS), known=Known(sent=True))
        assert in_short(outcome) == Event.PERSON
        whole = plan(cancellation_row(), an_order(IN_PROGRESS), known=Known(sent=True))
        assert in_short(whole) == "2 -> 0"

    def test_an_order_finalized_meanwhile_is_stornoed_to_the_same_targets(self) -> None:
        row = cancellation_row(PART, refund="processing")
        known = sent(plan(row, an_order(IN_PROGRESS)))
        assert in_short(plan(row, an_order(FINALIZED), known=known)) == "storno 2 -> 1 of line 7"

    def test_what_was_cancelled_stays_synced_whatever_becomes_of_the_order(self) -> None:
        emag = Emag(raw_order(IN_PROGRESS))
        row = cancellation_row(PART)
        first = plan(row, emag.order())
        known = sent(first)
        assert isinstance(first, Do)
        emag.apply(first.steps[0])
        for status in (PREPARED, FINALIZED, RETURNED):
            order = an_order(status, emag.raw["products"])
            outcome = plan(replace(row, status="completed"), order, known=known)
            assert isinstance(outcome, Synced)
            assert outcome.emag_status == "partially_canceled"

    def test_a_storno_keeps_its_word_when_the_refund_is_completed(self) -> None:
        emag = Emag(raw_order(FINALIZED))
        row = cancellation_row(PART, refund="processing")
        first = plan(row, emag.order())
        assert isinstance(first, Do)
        emag.apply(first.steps[0])
        done = replace(row, status="completed", refund_status="completed")
        outcome = plan(done, emag.order(), known=sent(first))
        assert isinstance(outcome, Synced)
        assert outcome.emag_status == "partially_returned"


class TestEdits:
    """The ERP changes its items after targets were stored."""

    def applied(self, *items: Item, status: int = IN_PROGRESS) -> tuple[Emag, Known]:
        emag = Emag(raw_order(status, [raw_line(7, 5), raw_line(8, 1)]))
        outcome = plan(cancellation_row(*items, refund="processing"), emag.order())
        assert isinstance(outcome, Do)
        emag.apply(outcome.steps[0])
        return emag, sent(outcome)

    @pytest.mark.parametrize("status", [IN_PROGRESS, FINALIZED])
    def test_more_is_measured_from_the_first_reading(self, status: OrderStatus) -> None:
        emag, known = self.applied(an_item("1007", 1), status=status)
        row = cancellation_row(an_item("1007", 3), refund="processing")
        outcome = plan(row, emag.order(), known=known)
        assert in_short(outcome).endswith("4 -> 2 of line 7")
        again = plan(row, emag.order(), known=sent(outcome))
        assert in_short(again) == in_short(outcome)
        assert isinstance(outcome, Do)
        emag.apply(outcome.steps[0])
        assert emag.quantities() == {7: 2, 8: 1}
        assert isinstance(plan(row, emag.order(), known=sent(outcome)), Synced)

    def test_more_before_anything_was_applied_starts_at_the_first_reading(self) -> None:
        order = an_order(IN_PROGRESS, [raw_line(7, 5), raw_line(8, 1)])
        known = sent(plan(cancellation_row(an_item("1007", 1)), order))
        outcome = plan(cancellation_row(an_item("1007", 3)), order, known=known)
        assert in_short(outcome) == "5 -> 2 of line 7"

    def test_two_edits_in_a_row_still_know_what_emag_has(self) -> None:
        emag, known = self.applied(an_item("1007", 1))
        known = sent(plan(cancellation_row(an_item("1007", 2)), emag.order(), known=known))
        outcome = plan(cancellation_row(an_item("1007", 3)), emag.order(), known=known)
        assert in_short(outcome) == "4 -> 2 of line 7"

    def test_the_same_items_in_another_order_are_no_edit(self) -> None:
        emag, known = self.applied(an_item("1007", 1), an_item("1007", 2))
        row = cancellation_row(an_item("1007", 2), an_item("1007", 1))
        outcome = plan(row, emag.order(), known=known)
        assert isinstance(outcome, Synced)

    def test_the_same_targets_in_other_words_are_reached(self) -> None:
        emag, known = self.applied(an_item("1007", 3), status=FINALIZED)
        row = cancellation_row(an_item(sku="PN-7", quantity="3.0"), refund="processing")
        outcome = plan(row, emag.order(), known=known)
        assert isinstance(outcome, Synced)
        assert outcome.emag_status == "partially_returned"

    @pytest.mark.parametrize("items", [[an_item("1007", 2)], [an_item("1008")]])
    @pytest.mark.parametrize("status", [IN_PROGRESS, FINALIZED])
    def test_less_than_was_cancelled_shows_both_sides(
        self, items: list[Item], status: OrderStatus
    ) -> None:
        if items == [an_item("1008")]:
            items = [an_item("1008"), an_item("1007", 1)]
        emag, known = self.applied(an_item("1007", 3), status=status)
        row = cancellation_row(*items, refund="processing")
        outcome = plan(row, emag.order(), known=known)
        assert isinstance(outcome, Refused)
        assert "less than was cancelled" in outcome.reason
        assert f"at status {status.value}" in outcome.reason

    def test_items_that_now_leave_a_cancelled_line_out_are_refused(self) -> None:
        emag, known = self.applied(an_item("1007", 3))
        outcome = plan(cancellation_row(an_item("1008")), emag.order(), known=known)
        assert "less than was cancelled" in reason_of(outcome)

    @pytest.mark.parametrize("status", [IN_PROGRESS, FINALIZED])
    def test_a_part_after_the_whole_was_cancelled_is_refused(self, status: OrderStatus) -> None:
        emag, known = self.applied(status=status)
        row = cancellation_row(PART, refund="processing")
        assert "less than was cancelled" in reason_of(plan(row, emag.order(), known=known))

    def test_a_part_after_a_whole_that_was_not_applied_is_that_part(self) -> None:
        order = an_order(IN_PROGRESS)
        known = sent(plan(cancellation_row(), order))
        assert in_short(plan(cancellation_row(PART), order, known=known)) == "2 -> 1 of line 7"

    def test_the_rest_added_later_cancels_the_order(self) -> None:
        emag, known = self.applied(an_item("1007", 3))
        row = cancellation_row(an_item("1007"), an_item("1008"))
        assert in_short(plan(row, emag.order(), known=known)) == "2 -> 0"

    def test_a_line_that_was_added_to_the_order_can_be_named(self) -> None:
        emag, known = self.applied(an_item("1007", 1))
        emag.raw["products"].append(raw_line(9, 2))
        row = cancellation_row(an_item("1007", 1), an_item("1009", 1))
        assert in_short(plan(row, emag.order(), known=known)) == "2 -> 1 of line 9"

    def test_a_line_that_emag_no_longer_shows_is_named_by_its_id(self) -> None:
        emag, known = self.applied(an_item("1007", 5), status=FINALIZED)
        emag.raw["products"] = [raw_line(8, 1)]
        row = cancellation_row(an_item(line=7), an_item("1008", 1), refund="processing")
        assert in_short(plan(row, emag.order(), known=known)) == "storno 4 -> 5"


class TestWithdrawn:
    """The ERP takes its wish back."""

    @pytest.mark.parametrize("status", ["rejected", "cancelled"])
    @pytest.mark.parametrize("order", [None, an_order(NEW), an_order(CANCELED)])
    def test_before_anything_was_sent(self, status: str, order: Order | None) -> None:
        assert isinstance(plan(cancellation_row(status=status), order), Withdrawn)

    @pytest.mark.parametrize("order", [None, an_order(NEW)])
    def test_deleted_before_anything_was_sent(self, order: Order | None) -> None:
        assert isinstance(plan(None, order), Withdrawn)

    @pytest.mark.parametrize("row", [None, cancellation_row(status="rejected")])
    def test_after_it_was_sent_both_sides_are_shown(self, row: CancellationRow | None) -> None:
        reason = reason_of(plan(row, an_order(CANCELED), known=Known(sent=True)))
        assert "after its change was sent" in reason
        assert "status 0 canceled" in reason

    def test_after_it_was_sent_to_an_order_that_is_not_found(self) -> None:
        reason = reason_of(plan(None, None, known=Known(sent=True)))
        assert "nothing found at eMAG" in reason

    @pytest.mark.parametrize("status", ["pending", "processing", "completed", "nonsense", ""])
    def test_a_status_that_merely_moved_on_withdraws_nothing(self, status: str) -> None:
        outcome = plan(cancellation_row(status=status), an_order(IN_PROGRESS))
        assert in_short(outcome) == "2 -> 0"
