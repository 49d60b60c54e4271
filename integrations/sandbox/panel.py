"""What the seller's own people do in eMAG's web panel, past every client.

The panel keeps the rules of the API (API facts, Statuses and matrix; Storno; RMA Statuses). What
can't be done raises ValueError.
"""

from __future__ import annotations

from integrations.sandbox.exchange import RefusalError
from integrations.sandbox.matrices import RETURN_MOVES
from integrations.sandbox.moves import move_order, move_return
from integrations.sandbox.order_changes import Changes, LineChange, active, all_given_back
from integrations.sandbox.order_lines import edit_lines, give_back, return_if_empty
from integrations.sandbox.order_rules import check_changes, check_move
from integrations.sandbox.reasons import CANCELLATION_REASONS, reason_object
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json

BY = "panel"


def acknowledge(market: State, order: Json) -> None:
    """New becomes in progress."""
    _check_own(order)
    if order["status"] != 1:
        raise ValueError(f"order {order['id']} has status {order['status']}: it is not new")
    move_order(market, order, 2, by=BY, kind="acknowledge")


def cancel(market: State, order: Json, reason: int) -> None:
    """An order in 2, 3 or lately 4 is cancelled, for a reason."""
    if reason not in CANCELLATION_REASONS:
        raise ValueError(f"unknown reason {reason}; there are {sorted(CANCELLATION_REASONS)}")
    _check_move(market, order, 0)
    move_order(market, order, 0, by=BY)
    order["reason_cancellation"] = reason_object(reason)


def restore(market: State, order: Json, status: int | None) -> None:
    """A cancelled order comes back to a status, else to the one that it had."""
    if order["status"] != 0:
        raise ValueError(f"order {order['id']} has status {order['status']}: it is not cancelled")
    to = _former_status(market, order["id"]) if status is None else status
    _check_move(market, order, to)
    move_order(market, order, to, by=BY)


def remove_pieces(market: State, order: Json, product_id: str, pieces: int) -> None:
    """Pieces leave an order in 2 or 3; a line of which nothing is left gets status 0."""
    changes = _fewer(order, product_id, pieces)
    changes.lines += [
        LineChange(change.line, 0, removed=True) for change in changes.lines if not change.quantity
    ]
    _check_changes(market, order, changes, storno=False)
    edit_lines(market, order, changes, by=BY)


def storno_pieces(market: State, order: Json, product_id: str, pieces: int) -> None:
    """Pieces of a finalized order come back; when nothing is left the order is returned."""
    changes = _fewer(order, product_id, pieces)
    _check_changes(market, order, changes, storno=True)
    give_back(market, order, changes, by=BY)
    return_if_empty(market, order)


def return_order(market: State, order: Json) -> None:
    """All of a finalized order comes back."""
    _check_move(market, order, 5)
    give_back(market, order, all_given_back(order), by=BY)
    move_order(market, order, 5, by=BY)


def advance_return(market: State, rma: Json, status: int) -> None:
    """A return takes a step that the matrix allows."""
    was = rma["request_status"]
    if rma["type"] == 2 and not market.switches.fbe_rma_save:
        raise ValueError(f"return {rma['emag_id']} has type 2: it is eMAG's, not the seller's")
    if status == was or status not in RETURN_MOVES[was]:
        raise ValueError(f"return {rma['emag_id']} can't go from {was} to {status}")
    move_return(market, rma, status, by=BY)


def _former_status(market: State, order_id: int) -> int:
    """What an order was before it was cancelled; in progress, where that is unknown or was new."""
    for effect in reversed(market.journal.effects):
        if (effect.kind, effect.id, effect.to) == ("order.status", order_id, 0):
            return int(effect.from_) if effect.from_ in (3, 4) else 2
    return 2


def _fewer(order: Json, product_id: str, pieces: int) -> Changes:
    """The lines of a product with some pieces less, taken from the first lines first."""
    if pieces < 1:
        raise ValueError(f"{pieces} pieces can't be taken: one at least")
    changes, wanted = Changes(), pieces
    for line in order["products"]:
        if wanted and str(line["product_id"]) == str(product_id) and active(line):
            taken = min(wanted, line["quantity"])
            changes.lines.append(LineChange(line, line["quantity"] - taken))
            wanted -= taken
    if wanted:
        there = pieces - wanted
        raise ValueError(f"order {order['id']} holds {there} of product {product_id}: too few")
    return changes


def _check_own(order: Json) -> None:
    if order["type"] == 2:
        raise ValueError(f"order {order['id']} has type 2: it is eMAG's, not the seller's")


def _check_move(market: State, order: Json, to: int) -> None:
    _check_own(order)
    if to == order["status"]:
        raise ValueError(f"order {order['id']} has status {to} already")
    try:
        check_move(market, order, to)
    except RefusalError as refused:
        raise ValueError(f"order {order['id']}: {refused}") from None


def _check_changes(market: State, order: Json, changes: Changes, *, storno: bool) -> None:
    _check_own(order)
    try:
        check_changes(market, order, changes, to=order["status"], storno=storno)
    except RefusalError as refused:
        raise ValueError(f"order {order['id']}: {refused}") from None
