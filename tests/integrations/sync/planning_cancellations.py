"""What tests of plans of cancellations share: planning, and what a plan comes to in short."""

from __future__ import annotations

from datetime import datetime

from integrations.emag.matrices import OrderStatus
from integrations.emag.wire import Order
from integrations.erp.rows import CancellationRow
from integrations.sync.plan import Do, Known, Plan, Refused, Waiting, Withdrawn
from integrations.sync.plan_cancellations import Policy, plan_cancellation
from tests.integrations.sync.model import NOW, RETURN_DAYS, an_item

UNKNOWN = Known()
POLICY = Policy(return_days=RETURN_DAYS)
PART = an_item("1007", 1)
ALL = (an_item("1007", 2), an_item("1008"))
CANCELED, NEW, IN_PROGRESS, PREPARED, FINALIZED, RETURNED = OrderStatus


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
