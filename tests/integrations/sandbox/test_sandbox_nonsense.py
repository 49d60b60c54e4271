"""Whatever JSON a client sends, every route answers with an envelope and never falls over."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integrations.sandbox.exchange import Ask
from integrations.sandbox.market import Market
from integrations.sandbox.routes import ROUTES
from integrations.sandbox.switches import Switches

from .conftest import ORDER, RETURN

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "4", "-1", "x", "2026-03-01", "9999-12-31 23:59:59", "0001-01-01"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FILTERS = (
    *("id", "status", "type", "payment_mode_id", "is_complete", "createdAfter", "createdBefore"),
    *("modifiedAfter", "currentPage", "itemsPerPage", "emag_id", "order_id", "product_id", "data"),
    *("request_status", "date_start", "date_end", "order_type", "category", "number"),
)


def scene(switches: Switches) -> Market:
    market = Market(switches)
    market.add_order({"id": ORDER, "status": 4})
    market.add_order({"id": 2, "status": 2})
    market.add_return({"emag_id": RETURN, "order_id": ORDER, "request_status": 6})
    return market


def answered(market: Market, route: str, body: object, *, is_form: bool = False) -> Any:
    """The decoded answer of a route to a body, as the pipeline would have it."""
    known = {"login": "", "bucket": "", "method": "POST", "path": route, "route": route}
    record = market.journal.opened(at=market.now(), monotonic=0.0, **known)
    answer = ROUTES[route].handle(Ask(market, record, body, is_form=is_form))
    return json.loads(answer.content())


@given(st.sampled_from(list(ROUTES)), JSON, st.booleans())
def test_any_body(route: str, body: object, is_form: bool) -> None:
    answer = answered(scene(Switches(unknown_fields=True)), route, body, is_form=is_form)
    assert isinstance(answer["isError"], bool)


@given(
    st.sampled_from([route for route in ROUTES if not route.endswith("save")]),
    st.dictionaries(st.sampled_from(FILTERS), JSON, max_size=4),
)
def test_any_filters(route: str, filters: dict[str, object]) -> None:
    answer = answered(scene(Switches()), route, filters)
    assert isinstance(answer["isError"], bool)


@given(st.data(), st.booleans())
def test_any_value_in_any_field_of_a_save(data: st.DataObject, strict: bool) -> None:
    market = scene(Switches(require_all_fields=strict, partial_rma_save=not strict))
    order, rma = market.orders.get(2), market.returns.get(RETURN)
    document = {"order_id": 2, "order_type": 3, "name": "F", "url": "https://x.example", "type": 1}
    route, whole = data.draw(
        st.sampled_from(
            [("order/save", order), ("rma/save", rma), ("order/attachments/save", document)]
        )
    )
    item = json.loads(json.dumps(whole))
    inside = item["products"][0] if "products" in item and data.draw(st.booleans()) else item
    inside[data.draw(st.sampled_from(sorted(inside)))] = data.draw(JSON)
    answer = answered(market, route, [item])
    assert isinstance(answer["isError"], bool)
    assert answer["isError"] == bool(market.journal.violations())
