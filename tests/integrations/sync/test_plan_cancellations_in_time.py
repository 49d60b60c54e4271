"""Cancellations: until when eMAG takes them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.erp.rows import CancellationRow, Item
from integrations.sync.plan import Do, Refused
from integrations.sync.plan_cancellations import Policy
from tests.integrations.sync.model import NOW, RETURN_DAYS, an_order, cancellation_row
from tests.integrations.sync.planning_cancellations import (
    FINALIZED,
    IN_PROGRESS,
    PART,
    in_short,
    plan,
    reason_of,
)

HOURS_48 = timedelta(hours=48)
RETURN_TIME = timedelta(days=RETURN_DAYS + 5)
SECOND = timedelta(seconds=1)


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
