"""Cancellations of parts of an order."""

from __future__ import annotations

import pytest

from integrations.emag.matrices import OrderStatus
from integrations.erp.rows import Item
from integrations.sync.plan import Synced
from tests.integrations.sync.model import an_item, an_order, cancellation_row, raw_line
from tests.integrations.sync.planning_cancellations import (
    ALL,
    CANCELED,
    FINALIZED,
    IN_PROGRESS,
    NEW,
    PART,
    in_short,
    plan,
    reason_of,
)


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
