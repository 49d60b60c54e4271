"""Cancellations planned again: after a crash, an edit, a withdrawal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.emag.matrices import OrderStatus
from integrations.emag.wire import Order
from integrations.erp.rows import CancellationRow, Item
from integrations.ledger.books import A_PART
from integrations.sync.plan import Do, Event, Known, Reductions, Refused, Synced, Withdrawn
from tests.integrations.sync.model import (
    Emag,
    an_item,
    an_order,
    cancellation_row,
    raw_line,
    raw_order,
)
from tests.integrations.sync.planning_cancellations import (
    ALL,
    CANCELED,
    FINALIZED,
    IN_PROGRESS,
    NEW,
    PART,
    PREPARED,
    RETURNED,
    UNKNOWN,
    in_short,
    plan,
    reason_of,
    sent,
)


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

    @pytest.mark.parametrize("status", [IN_PROGRESS, FINALIZED])
    def test_no_items_any_more_are_never_taken_for_the_whole(self, status: OrderStatus) -> None:
        emag, known = self.applied(an_item("1007", 3), status=status)
        outcome = plan(cancellation_row(refund="processing"), emag.order(), known=known)
        assert in_short(outcome) == Event.PERSON
        assert f"at status {status.value}" in reason_of(outcome)

    @pytest.mark.parametrize(
        "known",
        [
            Known(reductions=Reductions.from_json(A_PART)),
            Known(had="partially_canceled"),
            Known(had="PARTIALLY_RETURNED"),
        ],
    )
    def test_no_items_any_more_though_nothing_was_sent(self, known: Known) -> None:
        assert in_short(plan(cancellation_row(), an_order(IN_PROGRESS), known=known)) == "person"
        assert isinstance(plan(cancellation_row(), an_order(CANCELED), known=known), Synced)

    def test_a_part_that_is_not_measured_yet_is_planned_as_if_nothing_was_known(self) -> None:
        known = Known(reductions=Reductions.from_json(A_PART))
        for row in (cancellation_row(PART), cancellation_row(*ALL)):
            for order in (an_order(NEW), an_order(FINALIZED), an_order(CANCELED)):
                assert plan(row, order, known=known) == plan(row, order)

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
