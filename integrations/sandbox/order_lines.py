"""Lines of orders changing, whoever changes them: edited before the end, given back after it."""

from __future__ import annotations

from integrations.sandbox.clock import local_text
from integrations.sandbox.journal import RequestRecord
from integrations.sandbox.moves import move_order
from integrations.sandbox.order_changes import Changes, active
from integrations.sandbox.state import State
from integrations.sandbox.whole_orders import complete_line
from integrations.sandbox.wire import Json


def edit_lines(
    market: State,
    order: Json,
    changes: Changes,
    *,
    request: RequestRecord | None = None,
    by: str = "seller",
) -> None:
    """Add lines, take lines away, set quantities; `initial_qty` stays."""
    platform = market.switches.platform
    now = local_text(market.now(), platform.zone)
    for change in changes.lines:
        line = change.line
        key, value = ("status", 0) if change.removed else ("quantity", change.quantity)
        kind = "order.line.status" if change.removed else "order.line"
        was, line[key] = line[key], value
        line["modified"] = now
        _journal(market, order, line, kind, was, value, request, by)
    for sent in changes.added:
        given = {key: value for key, value in sent.items() if key != "id"}
        line = complete_line(given, market.sequences, now, order["currency"])
        order["products"].append(line)
        _journal(market, order, line, "order.line", None, line["quantity"], request, by)
    market.touch(order)


def give_back(
    market: State,
    order: Json,
    changes: Changes,
    *,
    request: RequestRecord | None = None,
    by: str = "seller",
) -> None:
    """Storno: quantities shrink and `storno_qty` grows by as much."""
    now = local_text(market.now(), market.switches.platform.zone)
    for change in changes.lines:
        line = change.line
        was, left = line["quantity"], 0 if change.removed else change.quantity
        if change.removed:
            line["status"] = 0
        line["storno_qty"] += was - left
        line["quantity"] = left
        line["modified"] = now
        _journal(market, order, line, "order.storno", was, left, request, by)
    market.touch(order)


def return_if_empty(market: State, order: Json, request: RequestRecord | None = None) -> bool:
    """An order of which nothing is left becomes returned, by itself (API facts, Statuses)."""
    if any(active(line) for line in order["products"]):
        return False
    move_order(market, order, 5, request=request, by="emag")
    return True


def _journal(
    market: State,
    order: Json,
    line: Json,
    kind: str,
    was: int | None,
    became: int,
    request: RequestRecord | None,
    by: str,
) -> None:
    market.journal.effect(
        kind, order["id"], was, became, at=market.now(), request=request, by=by, line=line["id"]
    )
