"""Moving orders and returns from one status to another, with all that follows from it."""

from __future__ import annotations

from integrations.sandbox.clock import local_text
from integrations.sandbox.journal import RequestRecord
from integrations.sandbox.state import State
from integrations.sandbox.whole_returns import history_entry
from integrations.sandbox.wire import Json

# who moved a return: action type and source in its history. All others are eMAG's machinery
_BY_HAND: dict[str, tuple[str, str]] = {
    "seller": ("STATUS_INFO_STATUS_CHANGED", "API"),
    "panel": ("STATUS_INFO_STATUS_CHANGED", "UI"),
    "customer": ("STATUS_INFO_STATUS_CHANGED", "UI"),
}
_AUTOMATIC = ("STATUS_INFO_STATUS_CHANGED_AUTOMATICALLY", "rtr")


def move_order(
    market: State,
    order: Json,
    to: int,
    *,
    request: RequestRecord | None = None,
    by: str = "seller",
    kind: str = "order.status",
) -> None:
    """Give an order another status: it is dated, indexed anew and journalled.

    Legality is the caller's concern. Reaching 4 sets `finalization_date`; leaving 0 takes the
    reason away.
    """
    was = order["status"]
    now = market.now()
    if to == 4:
        order["finalization_date"] = local_text(now, market.switches.platform.zone)
    if was == 0:
        order["reason_cancellation"] = None
    editable = to in (2, 3) and order["payment_mode_id"] != 3
    order["has_editable_products"] = int(editable)
    market.orders.move(order, to)
    market.touch(order)
    market.journal.effect(kind, order["id"], was, to, at=now, request=request, by=by)


def move_return(
    market: State,
    rma: Json,
    to: int,
    *,
    request: RequestRecord | None = None,
    by: str = "seller",
) -> None:
    """Give a return another status and write that into its history; legality is the caller's."""
    was = rma["request_status"]
    now = market.now()
    market.returns.move(rma, to)
    at = now.astimezone(market.switches.platform.zone)
    entry = history_entry(len(rma["request_history"]) + 1, at, *_BY_HAND.get(by, _AUTOMATIC))
    rma["request_history"].append(entry)
    market.journal.effect("rma.status", rma["emag_id"], was, to, at=now, request=request, by=by)
