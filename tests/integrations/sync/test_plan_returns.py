"""Returns: which RMA a row is linked to, and every wish in every state."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from integrations.emag.matrices import ReturnStatus
from integrations.emag.routes import RMA_SAVE
from integrations.emag.wire import Return
from integrations.erp.rows import Item, ReturnRow
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
from integrations.sync.plan_returns import plan_return
from integrations.sync.wishes import RETURN_WISHES
from tests.integrations.sync.model import (
    NOW,
    ORDER_ID,
    a_return,
    an_item,
    raw_return,
    return_row,
)

UNKNOWN = Known()
NOBODYS: Mapping[int, int] = {}
INCOMPLETE, NEW, ACKNOWLEDGED, REFUSED, CANCELED, RECEIVED, FINALIZED = ReturnStatus


def plan(
    row: ReturnRow | None,
    *candidates: Return,
    known: Known = UNKNOWN,
    taken: Mapping[int, int] = NOBODYS,
) -> Plan:
    return plan_return(row, known, candidates, taken, NOW)


def in_short(plan: Plan) -> str:
    """A plan in one word: its steps, or what it is and waits for."""
    match plan:
        case Do():
            return ", ".join(step.label for step in plan.steps)
        case Waiting():
            return plan.event.value
        case _:
            return type(plan).__name__.lower()


# The whole law of returns. Columns: eMAG's status; rows: the ERP's wish.
TABLE = """
            1            2                       3                4        5        6        7
pending     emag_return  synced                  synced           synced   synced   synced   synced
approved    emag_return  2->3                    synced           refused  refused  synced   synced
processing  emag_return  2->3,3->6               3->6             refused  refused  synced   synced
completed   emag_return  2->3,3->6,6->7          3->6,6->7        refused  refused  6->7     synced
cancelled   emag_return  2->5                    3->5             refused  synced   refused  refused
rejected    emag_return  emag_received           emag_received    synced   refused  6->4     refused
"""
CELLS = {
    (wish, status): cell.replace("->", " -> ").replace(",", ", ")
    for wish, *cells in map(str.split, TABLE.strip().splitlines()[1:])
    for status, cell in enumerate(cells, start=1)
}


def test_the_table_holds_every_wish_and_every_status() -> None:
    assert CELLS.keys() == set(product(RETURN_WISHES, ReturnStatus))


@pytest.mark.parametrize(("wish", "status"), CELLS)
def test_every_wish_in_every_state(wish: str, status: int) -> None:
    outcome = plan(return_row(wish, named="5"), a_return(5, status))
    assert in_short(outcome) == CELLS[wish, status]


@pytest.mark.parametrize(("wish", "status"), CELLS)
def test_emags_own_returns_are_never_written(wish: str, status: int) -> None:
    outcome = plan(return_row(wish, named="5"), a_return(5, status, type=2))
    writes = "->" in CELLS[wish, status] or CELLS[wish, status] == "emag_received"
    if writes or CELLS[wish, status] == "refused":
        assert isinstance(outcome, Refused)
        assert "fulfilled by eMAG" in outcome.reason
    else:
        assert in_short(outcome) == CELLS[wish, status]


@pytest.mark.parametrize(
    ("wish", "status", "word"),
    [
        ("approved", 2, "approved"),
        ("processing", 2, "in_progress"),
        ("completed", 3, "completed"),
        ("cancelled", 3, "cancelled"),
        ("rejected", 6, "rejected"),
    ],
)
def test_what_is_true_after_the_last_step(wish: str, status: int, word: str) -> None:
    outcome = plan(return_row(wish), a_return(5, status))
    assert isinstance(outcome, Do)
    assert (outcome.then.emag_id, outcome.then.emag_status) == ("5", word)
    assert outcome.reductions is None


@pytest.mark.parametrize(
    ("status", "word"),
    [(2, "new"), (3, "approved"), (4, "rejected"), (5, "cancelled"), (6, "in_progress")],
)
def test_a_pending_return_is_linked_and_shows_emags_status(status: int, word: str) -> None:
    outcome = plan(return_row("pending", named="5"), a_return(5, status))
    assert isinstance(outcome, Synced)
    assert (outcome.emag_id, outcome.emag_status) == ("5", word)


def test_a_contradiction_shows_both_sides() -> None:
    outcome = plan(return_row("cancelled"), a_return(5, RECEIVED))
    assert isinstance(outcome, Refused)
    assert "cancelled" in outcome.reason
    assert "RMA 5 at status 6 received" in outcome.reason


def test_a_status_of_emags_that_nobody_knows_is_refused() -> None:
    outcome = plan(return_row("completed", named="5"), a_return(5, 9))
    assert isinstance(outcome, Refused)
    assert "9 (unknown)" in outcome.reason


@pytest.mark.parametrize("word", ["", "nonsense", "x" * 10_000, "\x00\u0219"])
def test_a_nonsense_status_is_refused_and_names_the_words(word: str) -> None:
    outcome = plan(return_row(word), a_return(5, NEW))
    assert isinstance(outcome, Refused)
    assert "approved, cancelled, completed, pending, processing, rejected" in outcome.reason
    assert outcome.reason.isascii()
    assert len(outcome.reason) < 300


def test_a_return_without_an_order_is_refused() -> None:
    outcome = plan(ReturnRow(1, 0, "main", "approved"))
    assert isinstance(outcome, Refused)
    assert "emag_order_id" in outcome.reason


def test_each_step_sends_everything_back_with_only_the_status_changed() -> None:
    outcome = plan(return_row("completed"), a_return(5, NEW))
    assert isinstance(outcome, Do)
    assert [step.route for step in outcome.steps] == [RMA_SAVE] * 3
    assert [step.subject for step in outcome.steps] == [5] * 3
    for step, status in zip(outcome.steps, [3, 6, 7], strict=True):
        assert body_of(step) == raw_return(5, NEW) | {"request_status": status}


class TestLinking:
    """Which RMA of the order is meant."""

    def test_the_only_open_one_is_linked_where_the_row_has_no_items(self) -> None:
        assert linked(plan(return_row("pending"), a_return(5, NEW), a_return(6, CANCELED))) == "5"

    def test_without_any_the_row_waits_for_the_customer(self) -> None:
        assert in_short(plan(return_row("approved"))) == Event.EMAG_RETURN

    def test_an_incomplete_one_is_none_yet(self) -> None:
        assert in_short(plan(return_row("approved"), a_return(5, INCOMPLETE))) == Event.EMAG_RETURN

    @pytest.mark.parametrize(
        "item",
        [
            an_item(line=51),
            an_item("1008"),
            an_item(sku="1008"),
            an_item("91008"),
            an_item("nonsense", sku="1008"),
        ],
    )
    def test_an_item_is_found_by_line_product_sku_or_emags_product(self, item: Item) -> None:
        rmas = [a_return(4, NEW, "1007"), a_return(5, NEW, "1009", "1008")]
        assert linked(plan(return_row("pending", item), *rmas)) == "5"

    def test_the_one_with_the_most_items_wins(self) -> None:
        row = return_row("pending", an_item("1007"), an_item("1008"))
        rmas = [a_return(4, NEW, "1007"), a_return(5, RECEIVED, "1007", "1008")]
        assert linked(plan(row, *rmas)) == "5"

    def test_several_that_match_equally_need_a_person(self) -> None:
        row = return_row("pending", an_item("1007"))
        outcome = plan(row, a_return(4, NEW, "1007"), a_return(5, NEW, "1007", "1008"))
        assert isinstance(outcome, Waiting)
        assert outcome.event is Event.PERSON
        assert "4, 5" in outcome.reason

    def test_several_open_ones_without_items_need_a_person(self) -> None:
        outcome = plan(return_row("approved"), a_return(4, NEW), a_return(5, ACKNOWLEDGED))
        assert in_short(outcome) == Event.PERSON

    def test_items_that_no_open_one_holds_wait(self) -> None:
        outcome = plan(return_row("approved", an_item("1009")), a_return(4, NEW, "1007"))
        assert in_short(outcome) == Event.EMAG_RETURN

    def test_an_item_without_any_key_matches_nothing(self) -> None:
        assert in_short(plan(return_row("approved", an_item()), a_return(4, NEW))) == "emag_return"

    def test_one_that_belongs_to_another_row_does_not_count(self) -> None:
        rmas = [a_return(4, NEW), a_return(5, NEW)]
        assert linked(plan(return_row("pending"), *rmas, taken={4: 70})) == "5"
        outcome = plan(return_row("pending"), *rmas, taken={4: 70, 5: 71})
        assert in_short(outcome) == Event.EMAG_RETURN

    def test_one_that_would_do_and_belongs_to_another_row_is_named_with_that_row(self) -> None:
        row = return_row("approved", an_item("1007"))
        rmas = [a_return(4, NEW, "1007"), a_return(5, NEW, "1008")]
        outcome = plan(row, *rmas, taken={4: 70, 5: 71})
        assert isinstance(outcome, Waiting)
        assert "has no other RMA at eMAG with these products yet" in outcome.reason
        assert "(RMA 4 belongs to rma:70)" in outcome.reason

    def test_without_one_that_would_do_none_is_named(self) -> None:
        outcome = plan(return_row("approved", an_item("1009")), a_return(4, NEW, "1007"))
        assert isinstance(outcome, Waiting)
        assert "has no RMA at eMAG with these products yet;" in outcome.reason

    def test_one_of_another_order_does_not_count(self) -> None:
        stray = a_return(4, NEW, order_id="999")
        assert in_short(plan(return_row("approved"), stray)) == Event.EMAG_RETURN

    @pytest.mark.parametrize(
        ("wish", "status"), [("completed", 7), ("cancelled", 5), ("rejected", 4)]
    )
    def test_with_none_open_a_closed_one_in_the_wanted_state_is_linked(
        self, wish: str, status: int
    ) -> None:
        assert linked(plan(return_row(wish), a_return(5, status))) == "5"

    @pytest.mark.parametrize(
        ("wish", "status"),
        [("completed", 5), ("cancelled", 7), ("rejected", 7), ("approved", 7), ("pending", 7)],
    )
    def test_a_closed_one_in_another_state_is_not_linked(self, wish: str, status: int) -> None:
        assert in_short(plan(return_row(wish), a_return(5, status))) == Event.EMAG_RETURN

    def test_an_open_one_goes_before_a_closed_one_in_the_wanted_state(self) -> None:
        assert linked(plan(return_row("cancelled"), a_return(4, CANCELED), a_return(5, NEW))) == "5"

    def test_a_closed_one_that_matches_goes_before_an_open_one_that_does_not(self) -> None:
        row = return_row("completed", an_item("1007"))
        rmas = [a_return(4, FINALIZED, "1007"), a_return(5, NEW, "1008")]
        assert linked(plan(row, *rmas)) == "4"

    def test_several_closed_ones_need_a_person(self) -> None:
        rmas = [a_return(4, FINALIZED), a_return(5, FINALIZED)]
        assert in_short(plan(return_row("completed"), *rmas)) == Event.PERSON

    def test_a_waiting_return_says_what_it_is_linked_to(self) -> None:
        outcome = plan(return_row("rejected"), a_return(5, ACKNOWLEDGED))
        assert isinstance(outcome, Waiting)
        assert (outcome.event, outcome.emag_id) == (Event.EMAG_RECEIVED, "5")


class TestNamed:
    """The row or our books name an RMA."""

    def test_the_rows_word_counts_before_every_match(self) -> None:
        rmas = [a_return(4, NEW, "1007"), a_return(5, FINALIZED, "1008")]
        row = return_row("completed", an_item("1007"), named="5")
        assert linked(plan(row, *rmas)) == "5"

    def test_what_our_books_hold_counts_too(self) -> None:
        rmas = [a_return(4, NEW), a_return(5, FINALIZED)]
        assert linked(plan(return_row("completed"), *rmas, known=Known("5"))) == "5"

    def test_the_row_counts_before_our_books(self) -> None:
        rmas = [a_return(4, NEW), a_return(5, NEW)]
        assert linked(plan(return_row("pending", named="4"), *rmas, known=Known("5"))) == "4"

    @pytest.mark.parametrize("named", ["6", "nonsense", "5.0", "99999999999999999999"])
    def test_one_that_is_not_found_is_refused(self, named: str) -> None:
        outcome = plan(return_row("approved", named=named), a_return(5, NEW))
        assert isinstance(outcome, Refused)
        assert "emag_return_id" in outcome.reason

    @pytest.mark.parametrize("order", ["999", None])
    def test_one_of_another_order_is_refused(self, order: str | None) -> None:
        outcome = plan(return_row("approved", named="5"), a_return(5, NEW, order_id=order))
        assert isinstance(outcome, Refused)
        assert str(ORDER_ID) in outcome.reason

    def test_one_that_belongs_to_another_row_is_refused(self) -> None:
        rma = a_return(5, NEW)
        outcome = plan(return_row("approved", named="5"), rma, taken={5: 71})
        assert isinstance(outcome, Refused)
        assert "another return of the ERP already, rma:71" in outcome.reason


class TestDeleted:
    """The row is gone from the ERP."""

    def test_before_anything_was_sent_it_is_withdrawn(self) -> None:
        assert isinstance(plan(None, a_return(5, NEW), known=Known("5")), Withdrawn)

    def test_after_it_was_sent_both_sides_are_shown(self) -> None:
        outcome = plan(None, a_return(5, RECEIVED), known=Known("5", sent=True))
        assert isinstance(outcome, Refused)
        assert "deleted" in outcome.reason
        assert "RMA 5 at status 6 received" in outcome.reason

    def test_a_cancelled_return_is_a_wish_and_no_withdrawal(self) -> None:
        outcome = plan(return_row("cancelled"), a_return(5, NEW), known=Known("5", sent=True))
        assert in_short(outcome) == "2 -> 5"


def linked(plan: Plan) -> str | None:
    match plan:
        case Synced() | Waiting() | Refused():
            return plan.emag_id
        case Do():
            return plan.then.emag_id
        case Withdrawn():
            return None
