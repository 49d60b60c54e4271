"""Cancellations under every behaviour of eMAG's that its documents leave open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.end_to_end.cancellations.cancelling import CANCELLATION, LINES, ORDER, order, pieces
from tests.end_to_end.conftest import Shop

DISAGREEING: Mapping[str, Mapping[str, Any]] = {
    "usual": {},
    "unknown fields": {"unknown_fields": True},
    "numbers as texts": {"strings_for_numbers": True, "unknown_fields": True},
    "product ids as numbers": {"product_id_numbers": True},
    "empty objects": {"empty_objects": "object", "empty_reason": "object"},
    "empty nulls": {"empty_objects": "null", "empty_reason": "list"},
    "dropped lines": {"zero_lines": "dropped", "missing_lines": "keep"},
    "lax": {"require_all_fields": False, "reason_required": False, "echo_reason_object": True},
    "strict": {"null_filters": "refused", "clip_page_size": False, "message_key": "message"},
    "restless pages": {"page_shift": True, "order_read_default_type": None},
}


@pytest.mark.parametrize("switches", DISAGREEING.values(), ids=DISAGREEING.keys())
async def test_the_same_happens_whichever_way_emag_behaves(
    shop: Shop, switches: Mapping[str, Any]
) -> None:
    """Every field that was read goes back: the sandbox refuses a save that lacks or bends one."""
    shop.switch(**switches)
    wishes: list[tuple[int, list[dict[str, Any]], dict[str, Any]]] = [
        (1, [], {}),
        (2, [{"product_id": "1001", "quantity": 1}], {}),
        (3, [{"product_id": "1002"}], {}),
        (4, [], {"refund_status": "processing"}),
        (4, [{"product_id": "1002"}], {"refund_status": "processing"}),
        (0, [], {}),
    ]
    rows = []
    for each, (status, items, columns) in enumerate(wishes):
        lines = [{**line, "id": line["id"] + 100 * each} for line in LINES]  # type: ignore[operator]
        shop.market.add_order({"id": ORDER + each, "status": status, "products": lines})
        rows.append(await shop.erp.add(CANCELLATION, ORDER + each, *items, **columns))
    await shop.run(CANCELLATION)
    for row in rows:
        await shop.replay(CANCELLATION, row)
    await shop.run(CANCELLATION)
    states = [await shop.books(CANCELLATION, row) for row in rows]
    assert [(books["sync_state"], books["emag_status"]) for books in states] == [
        ("synced", "canceled"),
        ("synced", "partially_canceled"),
        ("synced", "partially_canceled"),
        ("synced", "returned"),
        ("synced", "partially_returned"),
        ("synced", "canceled"),
    ]
    assert [order(shop, ORDER + each)["status"] for each in range(6)] == [0, 2, 3, 5, 4, 0]
    left = [sum(pieces(shop, ORDER + each).values()) for each in (1, 2, 4)]
    assert left == [3, 3, 3]
    assert list(shop.market.journal.repeated()) == []
