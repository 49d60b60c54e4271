"""The words of plans, and the targets that our books keep."""

from __future__ import annotations

import json

import pytest

from integrations.emag.routes import ORDER_ACKNOWLEDGE, ORDER_SAVE, RMA_SAVE
from integrations.emag.wire import Order, Return
from integrations.erp.rows import ErpRow
from integrations.sync.plan import (
    Do,
    Event,
    Plan,
    Reduction,
    Reductions,
    Refused,
    Step,
    Synced,
    Waiting,
    Withdrawn,
    body_of,
    describe_outcome,
    describe_state,
    describe_wish,
)
from tests.integrations.sync.model import (
    CARD,
    ORDER_ID,
    a_return,
    an_item,
    an_order,
    cancellation_row,
    invoice_row,
    raw_line,
    raw_order,
    return_row,
)


class TestBodyOf:
    """The entity that a step puts into a save."""

    def test_an_acknowledge_has_none(self) -> None:
        assert body_of(Step(ORDER_ACKNOWLEDGE, "acknowledge", ORDER_ID)) is None

    def test_without_a_copy_the_changes_are_the_entity(self) -> None:
        assert body_of(Step(ORDER_SAVE, "x", 5, changes={"a": 1})) == {"a": 1}

    def test_a_copy_is_sent_back_whole_and_stays_as_it_was(self) -> None:
        rma, order = a_return(5, 2), an_order(2)
        step = Step(RMA_SAVE, "x", 5, rma, {"request_status": 3})
        assert body_of(step) == rma.raw | {"request_status": 3}
        body = body_of(Step(ORDER_SAVE, "x", 5, order, {"status": 3}, {7: {"quantity": 1}}))
        assert body is not None
        assert body["products"][0] == raw_line(7, 1)
        assert order.raw == raw_order(2)


class TestReductions:
    """Targets as our books keep them."""

    STORED = Reductions(True, "mark", (Reduction(7, 5, 4, 3), Reduction(8, 1, 1, 0)), storno=True)

    def test_they_survive_the_books(self) -> None:
        stored = json.loads(json.dumps(self.STORED.to_json()))
        assert Reductions.from_json(stored) == self.STORED

    @pytest.mark.parametrize(
        "broken",
        [
            {},
            {"whole": True},
            {"whole": True, "fingerprint": "", "storno": False, "lines": [[1, 2]]},
            {"whole": True, "fingerprint": "", "storno": False, "lines": 5},
            {"whole": True, "fingerprint": "", "storno": False, "lines": [["a", 1, 1, 1]]},
        ],
    )
    def test_anything_else_is_an_error(self, broken: dict[str, object]) -> None:
        with pytest.raises(ValueError):  # noqa: PT011
            Reductions.from_json(broken)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (return_row("pending"), f"the RMA of order {ORDER_ID} linked"),
        (return_row("approved"), f"the RMA of order {ORDER_ID} at status 3 acknowledged"),
        (
            return_row("nonsense"),
            f'return of order {ORDER_ID} with the unknown status "nonsense"',
        ),
        (cancellation_row(), f'order {ORDER_ID} cancelled for "customer_request"'),
        (
            cancellation_row(an_item("1"), refund="processing"),
            f'1 item of order {ORDER_ID} cancelled for "customer_request", with refund',
        ),
        (
            cancellation_row(an_item("1"), an_item("2"), reason=None),
            f"2 items of order {ORDER_ID} cancelled without a reason",
        ),
        (invoice_row(), f'attach Factura "FCT 100" to order {ORDER_ID}'),
        (
            invoice_row("nonsense"),
            f'attach document of type "nonsense" "FCT 100" to order {ORDER_ID}',
        ),
    ],
)
def test_what_the_erp_wants(row: ErpRow, text: str) -> None:
    assert describe_wish(row) == text


@pytest.mark.parametrize(
    ("copy", "text"),
    [
        (an_order(4), f"order {ORDER_ID} at status 4 finalized, 2 active lines"),
        (
            an_order(2, [raw_line(7, 1), raw_line(8, 0)], type=2, payment_mode_id=CARD),
            f"order {ORDER_ID} at status 2 in progress, 1 active line, fulfilled by eMAG, card",
        ),
        (a_return(5, 6), "RMA 5 at status 6 received, 1 line"),
        (a_return(5, 9, type=2), "RMA 5 at status 9 (unknown), 1 line, fulfilled by eMAG"),
        (None, "nothing found at eMAG"),
    ],
)
def test_what_emag_has(copy: Order | Return | None, text: str) -> None:
    assert describe_state(copy) == text


ACKNOWLEDGE = Step(ORDER_ACKNOWLEDGE, "acknowledge", ORDER_ID)
SAVE = Step(ORDER_SAVE, "2 -> 0", ORDER_ID)
DONE = Synced(str(ORDER_ID), "canceled", "order 5 canceled")


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (
            Do((ACKNOWLEDGE, SAVE), DONE),
            "synced after 2 requests (acknowledge, then 2 -> 0): order 5 canceled",
        ),
        (Do((SAVE,), DONE), "synced after 1 request (2 -> 0): order 5 canceled"),
        (DONE, "synced, nothing to send: order 5 canceled"),
        (Refused("No."), "refused: No."),
        (Waiting(Event.DOCUMENT, "Soon."), "waiting for document: Soon."),
        (Withdrawn("Gone."), "withdrawn: Gone."),
    ],
)
def test_what_would_be_afterwards(plan: Plan, text: str) -> None:
    assert describe_outcome(plan) == text
