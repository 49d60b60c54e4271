"""What holds of every plan, for any row and any order or return, and wherever a crash struck."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integrations.emag.matrices import RETURN_MOVES, OrderStatus, ReturnStatus
from integrations.emag.wire import Attachment
from integrations.erp.rows import CancellationRow, Item
from integrations.sync.plan import Do, Known, Plan, Refused, Synced, Waiting, Withdrawn, body_of
from integrations.sync.plan_cancellations import Policy, plan_cancellation
from integrations.sync.plan_invoices import plan_invoice
from integrations.sync.plan_returns import plan_return
from integrations.sync.wishes import INVOICE_WISHES, RETURN_WISHES
from tests.integrations.sync.model import (
    CARD,
    COD,
    NOW,
    RETURN_DAYS,
    Emag,
    an_item,
    an_order,
    cancellation_row,
    invoice_row,
    raw_line,
    raw_order,
    raw_return,
    return_row,
)

Raw = dict[str, Any]
POLICY = Policy(return_days=RETURN_DAYS)
UNKNOWN = Known()
ENOUGH = 6

words = st.one_of(st.none(), st.sampled_from(["processing", "completed", "failed"]), st.text())
reasons = st.one_of(st.sampled_from(["other", "customer_request"]), st.text(), st.none())
ages = st.one_of(
    st.sampled_from([timedelta(hours=48), timedelta(days=RETURN_DAYS + 5)]),
    st.timedeltas(timedelta(0), timedelta(days=60)),
)


@st.composite
def orders(draw: st.DrawFn) -> Raw:
    """An order in any status, with lines that may be gone and one product on several of them."""
    lines = [
        raw_line(
            line_id,
            draw(st.integers(0, 5)),
            draw(st.sampled_from([1, 1, 1, 0])),
            product_id=str(draw(st.sampled_from([1000 + line_id, 1000 + line_id, 1007]))),
        )
        for line_id in draw(st.lists(st.integers(6, 10), unique=True, min_size=1))
    ]
    return raw_order(
        draw(st.sampled_from(list(OrderStatus))),
        lines,
        finalized_ago=draw(ages),
        payment_mode_id=draw(st.sampled_from([COD, CARD, None])),
        type=draw(st.sampled_from([3, 3, 3, 2])),
    )


@st.composite
def items(draw: st.DrawFn) -> Item:
    """An item that mostly names a line, mostly with a quantity that is there."""
    line_id = draw(st.integers(6, 11))
    quantity = draw(st.one_of(st.none(), st.integers(1, 3), st.integers(-1, 9)))
    return draw(
        st.sampled_from(
            [
                an_item(str(1000 + line_id), quantity),
                an_item(sku=f"PN-{line_id}", quantity=quantity),
                an_item(line=line_id, quantity=quantity),
            ]
        )
    )


@st.composite
def cancellations(draw: st.DrawFn) -> CancellationRow:
    """A cancellation that asks for anything."""
    chosen = draw(st.lists(items(), max_size=3))
    return cancellation_row(*chosen, reason=draw(reasons), refund=draw(words))


def of_cancellation(row: CancellationRow, emag: Emag, known: Known) -> Plan:
    return plan_cancellation(row, known, emag.order(), NOW, POLICY)


def carry(
    plan: Callable[[Known], Plan], emag: Emag, applied: list[bool], known: Known = UNKNOWN
) -> tuple[Plan, Known]:
    """Carry a row until nothing is left to send, losing the requests that `applied` says.

    A lost request leaves its intent in our books, as a crash or a timeout does. Every request
    that is applied must be legal to the model, which raises otherwise.
    """
    outcome = plan(known)
    for was_applied in [*applied, *[True] * ENOUGH]:
        if not isinstance(outcome, Do):
            return outcome, known
        known = Known(outcome.then.emag_id, sent=True, reductions=outcome.reductions)
        if was_applied:
            emag.apply(outcome.steps[0])
        outcome = plan(known)
    raise AssertionError("the plans never come to an end")


def carry_cancellation(
    row: CancellationRow, emag: Emag, applied: list[bool], known: Known = UNKNOWN
) -> tuple[Plan, Known]:
    return carry(lambda known: of_cancellation(row, emag, known), emag, applied, known)


@given(cancellations(), orders(), st.lists(st.booleans(), max_size=4), st.booleans())
def test_a_cancellation_has_one_effect_wherever_crashes_strike(
    row: CancellationRow, raw: Raw, applied: list[bool], drops: bool
) -> None:
    straight = Emag(raw, drops_lines=drops)
    first = of_cancellation(row, straight, UNKNOWN)
    expected, _ = carry_cancellation(row, straight, [])
    crashing = Emag(raw, drops_lines=drops)
    outcome, known = carry_cancellation(row, crashing, applied)
    assert outcome == expected
    assert crashing.raw == straight.raw
    if isinstance(first, Do):
        assert isinstance(outcome, Synced)
        assert replace(outcome, note="") == replace(first.then, note="")
        assert crashing.effects == len(first.steps)
        assert of_cancellation(row, crashing, known) == outcome
    else:
        assert crashing.raw == raw
        assert outcome == first


@given(cancellations(), orders())
def test_parts_reach_the_targets_that_the_first_plan_stored(row: CancellationRow, raw: Raw) -> None:
    emag = Emag(raw)
    first = of_cancellation(row, emag, UNKNOWN)
    if not isinstance(first, Do) or first.reductions is None or first.reductions.whole:
        return
    carry_cancellation(row, emag, [])
    assert emag.quantities() == {line.line_id: line.to for line in first.reductions.lines}
    assert emag.raw["status"] in {raw["status"], 2}


@given(
    orders(),
    st.lists(st.tuples(cancellations(), st.lists(st.booleans(), max_size=2)), max_size=4),
)
def test_edits_never_take_more_than_one_of_them_asks_nor_give_anything_back(
    raw: Raw, edits: list[tuple[CancellationRow, list[bool]]]
) -> None:
    emag, known = Emag(raw), UNKNOWN
    low = before = emag.quantities()
    for row, applied in edits:
        plan = of_cancellation(row, emag, known)
        if isinstance(plan, Do) and plan.reductions is not None and not plan.reductions.whole:
            targets = {line.line_id: line.to for line in plan.reductions.lines}
            low = {each: min(low[each], targets[each]) for each in low}
        _, known = carry_cancellation(row, emag, applied, known)
        after = emag.quantities()
        assert all(low[each] <= after[each] <= before[each] for each in before)
        before = after


@given(cancellations(), orders())
def test_every_body_holds_what_was_read_and_changes_what_it_says(
    row: CancellationRow, raw: Raw
) -> None:
    plan = of_cancellation(row, Emag(raw), UNKNOWN)
    for step in plan.steps if isinstance(plan, Do) else ():
        body, kept = body_of(step), deepcopy(raw)
        if body is None:
            continue
        kept["products"] = [line | step.lines.get(line["id"], {}) for line in kept["products"]]
        assert body == kept | {"reason_cancellation": None} | dict(step.changes)
        assert step.changes.keys() <= {"status", "reason_cancellation", "is_storno"}


@given(cancellations(), orders(), st.booleans())
def test_planning_is_pure(row: CancellationRow, raw: Raw, sent: bool) -> None:
    emag, known = Emag(raw), Known(sent=sent)
    plan = of_cancellation(row, emag, known)
    assert of_cancellation(row, emag, known) == plan
    assert emag.raw == raw


@given(cancellations(), orders())
def test_reasons_are_short_ascii_and_name_no_customer(row: CancellationRow, raw: Raw) -> None:
    plan = of_cancellation(row, Emag(raw), UNKNOWN)
    if isinstance(plan, Refused | Waiting | Withdrawn):
        assert plan.reason.isascii()
        assert len(plan.reason) < 600
        assert plan.reason.endswith(".")
        assert "Ioana" not in plan.reason


returns = st.sampled_from(sorted(RETURN_WISHES))
statuses = st.sampled_from(list(ReturnStatus))


@given(returns, statuses, st.sampled_from([3, 3, 2]), st.lists(st.booleans(), max_size=4))
def test_a_return_gets_where_it_should_wherever_crashes_strike(
    wish: str, status: ReturnStatus, kind: int, applied: list[bool]
) -> None:
    emag = Emag(raw_return(5, status, type=kind))
    row = return_row(wish, named="5")

    def plan(known: Known) -> Plan:
        return plan_return(row, known, [emag.rma()], {}, NOW)

    first = plan(UNKNOWN)
    outcome, known = carry(plan, emag, applied)
    assert plan(known) == outcome
    if isinstance(first, Do):
        assert isinstance(outcome, Synced)
        assert outcome.emag_status == first.then.emag_status
        assert emag.raw["request_status"] == RETURN_WISHES[wish]
        assert emag.effects == len(first.steps)
    else:
        assert emag.effects == 0


@given(returns, statuses)
def test_every_step_of_a_return_is_in_the_matrix(wish: str, status: ReturnStatus) -> None:
    rma = Emag(raw_return(5, status)).rma()
    plan = plan_return(return_row(wish, named="5"), UNKNOWN, [rma], {}, NOW)
    here: int = status
    for step in plan.steps if isinstance(plan, Do) else ():
        to = step.changes["request_status"]
        assert (here, to) in RETURN_MOVES
        assert body_of(step) == rma.raw | {"request_status": to}
        here = to


@given(
    st.one_of(st.sampled_from(sorted(INVOICE_WISHES)), st.text(), st.none()),
    st.one_of(st.text(), st.text("0123456789/-. ", max_size=20)),
    st.one_of(st.text(), st.sampled_from(["https://docs.example.com/1.pdf"]), st.none()),
    st.lists(st.booleans(), max_size=3),
)
def test_an_invoice_is_attached_once(
    kind: str | None, number: str, url: str | None, applied: list[bool]
) -> None:
    order, row = an_order(4), invoice_row(kind, number=number, url=url)
    known, attached = UNKNOWN, 0
    outcome = plan_invoice(row, known, order, [], None, NOW)
    for was_applied in [*applied, True, True]:
        if not isinstance(outcome, Do):
            break
        body = body_of(outcome.steps[0]) or {}
        assert 1 <= len(body["name"]) <= 60
        known = Known(sent=True)
        if was_applied:
            attached += 1
            fresh = Attachment(body["name"], body["url"], body["type"])
            order = replace(order, attachments=(*order.attachments, fresh))
        outcome = plan_invoice(row, known, order, [], None, NOW)
    assert not isinstance(outcome, Do)
    assert attached == isinstance(outcome, Synced)
