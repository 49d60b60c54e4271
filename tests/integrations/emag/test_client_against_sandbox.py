"""The client and the wire models against the sandbox over HTTP: the main stories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.emag.client import EmagClient, open_client
from integrations.emag.issued_invoices import read_issued_invoice
from integrations.emag.matrices import return_path
from integrations.emag.routes import (
    ATTACHMENTS_READ,
    ATTACHMENTS_SAVE,
    CUSTOMER_INVOICE_READ,
    INVOICE_READ,
    ORDER_ACKNOWLEDGE,
    ORDER_COUNT,
    ORDER_READ,
    ORDER_SAVE,
    RMA_READ,
    RMA_SAVE,
    Bucket,
    Family,
    Route,
)
from integrations.emag.verdicts import Answer, Cause, Verdict
from integrations.emag.wire import (
    Order,
    Return,
    elements,
    order_body,
    read_order,
    read_return,
    return_body,
    rows,
)
from integrations.sandbox import bodies
from integrations.sandbox.market import Market

ORDER, RMA = 480000101, 52000077
URL = "https://facturi.example.com/p/3f9c/EX-1001.pdf"


@pytest.fixture
def market(market: Market) -> Market:
    """One order of two lines, which were paid on delivery, and one open return."""
    lines = [{"product_id": "1001", "quantity": 2}, {"product_id": "1002", "quantity": 1}]
    market.add_order({"id": ORDER, "status": 2, "payment_mode_id": 1, "products": lines})
    market.add_return({"emag_id": RMA, "order_id": 480000102, "request_status": 2})
    market.switches = replace(market.switches, limits=False)
    return market


@pytest.fixture
async def client(account: Account) -> AsyncIterator[EmagClient]:
    async with open_client(account, deadline=5.0) as client:
        yield client


async def order_now(client: EmagClient) -> Order:
    answer = await client.exchange(ORDER_READ, {"id": ORDER, "type": 3})
    assert answer.verdict is Verdict.APPLIED
    [row] = rows(answer.results)
    return read_order(row, client.account.zone)


async def return_now(client: EmagClient) -> Return:
    answer = await client.exchange(RMA_READ, {"emag_id": RMA})
    assert answer.verdict is Verdict.APPLIED
    [row] = rows(answer.results)
    return read_return(row, client.account.zone)


async def save(client: EmagClient, **changes: Any) -> Answer:
    return await client.exchange(ORDER_SAVE, [order_body(await order_now(client), **changes)])


async def test_an_order_is_cancelled_with_a_reason(client: EmagClient, market: Market) -> None:
    answer = await save(client, status=0, reason_cancellation=24)
    assert (answer.verdict, answer.cause) == (Verdict.APPLIED, None)
    order = await order_now(client)
    assert (order.status, order.reason_cancellation) == (0, 24)
    assert market.journal.violations() == []


async def test_a_cancelled_order_goes_back_with_its_reason_as_a_number(
    client: EmagClient, market: Market
) -> None:
    await save(client, status=0, reason_cancellation=24)
    assert (await save(client)).verdict is Verdict.APPLIED
    assert market.journal.violations() == []


@pytest.mark.parametrize("second_answer", [400, 200])
async def test_acknowledging_twice_is_as_good_as_once(
    client: EmagClient, market: Market, second_answer: Any
) -> None:
    market.switches = replace(market.switches, acknowledge_twice=second_answer)
    market.add_order({"id": 7, "status": 1})
    for _ in range(2):
        answer = await client.exchange(ORDER_ACKNOWLEDGE, None, path_id=7)
        assert answer.verdict is Verdict.APPLIED
    assert market.orders.get(7)["status"] == 2  # type: ignore[index]


async def test_a_line_is_removed_and_another_reduced(client: EmagClient, market: Market) -> None:
    first, second = (await order_now(client)).lines
    answer = await save(client, lines={first.id: {"quantity": 1}, second.id: {"status": 0}})
    assert answer.verdict is Verdict.APPLIED
    reduced, removed = (await order_now(client)).lines
    assert (reduced.quantity, reduced.active, removed.active) == (1, True, False)
    assert market.journal.violations() == []


async def test_a_finalized_order_is_given_back_in_part(client: EmagClient, market: Market) -> None:
    market.finalize(ORDER)
    first, _ = (await order_now(client)).lines
    answer = await save(client, lines={first.id: {"quantity": 1}}, is_storno=True)
    assert answer.verdict is Verdict.APPLIED
    order = await order_now(client)
    assert (order.status, order.lines[0].quantity) == (4, 1)
    refused = await save(client, is_storno=True)
    assert refused.verdict is Verdict.REFUSED
    assert set(refused.named) == {ORDER}


async def test_a_return_goes_its_way_step_by_step(client: EmagClient, market: Market) -> None:
    for step in return_path(2, 7) or ():
        body = return_body(await return_now(client), request_status=step)
        assert (await client.exchange(RMA_SAVE, [body])).verdict is Verdict.APPLIED
    assert (await return_now(client)).status == 7
    assert market.journal.violations() == []


async def test_of_a_lot_only_the_named_return_is_refused(
    client: EmagClient, market: Market
) -> None:
    market.add_return({"emag_id": 9, "order_id": 480000103, "request_status": 2})
    found = [
        read_return(row, client.account.zone)
        for row in rows((await client.exchange(RMA_READ, {"request_status": 2})).results)
    ]
    lot = [return_body(ret, request_status=3 if ret.emag_id == RMA else 7) for ret in found]
    answer = await client.exchange(RMA_SAVE, lot)
    assert (answer.verdict, set(answer.named)) == (Verdict.REFUSED, {9})
    assert (await return_now(client)).status == 3


async def test_a_document_is_attached_and_read_back(client: EmagClient, market: Market) -> None:
    entity = {"order_id": ORDER, "order_type": 3, "type": 1, "name": "Factura 1", "url": URL}
    answer = await client.exchange(ATTACHMENTS_SAVE, [{**entity, "force_download": 0}])
    assert answer.verdict is Verdict.APPLIED
    [attachment] = (await order_now(client)).attachments
    assert (attachment.name, attachment.url, attachment.type) == ("Factura 1", URL, 1)
    read = await client.exchange(ATTACHMENTS_READ, {"order_id": ORDER, "order_type": 3})
    assert [row["url"] for row in rows(read.results)] == [URL]


@pytest.mark.parametrize("at_root", [True, False])
async def test_issued_invoices_are_found_wherever_they_lie(
    client: EmagClient, market: Market, at_root: bool
) -> None:
    market.switches = replace(market.switches, invoices_at_root=at_root)
    market.add_issued_invoice({"category": "normal", "number": "EXF1", "order_id": ORDER})
    market.add_issued_invoice({"category": "FC"})
    issued = await client.exchange(CUSTOMER_INVOICE_READ, {"order_id": ORDER})
    [invoice] = [read_issued_invoice(row) for row in rows(issued.results)]
    assert (invoice.number, invoice.order_id, invoice.is_storno) == ("EXF1", ORDER, False)
    assert len(rows((await client.exchange(INVOICE_READ, {})).results)) == 1


async def test_a_count_answers_with_one_object(client: EmagClient) -> None:
    [count] = rows((await client.exchange(ORDER_COUNT, {"type": 3, "id": ORDER})).results)
    assert int(count["noOfItems"]) == 1


@pytest.mark.parametrize(
    "shapes",
    [
        {"strings_for_numbers": True},
        {"product_id_numbers": True},
        {"empty_objects": "object", "empty_reason": "object"},
        {"empty_objects": "null", "empty_reason": "list"},
        {"unknown_fields": True},
    ],
    ids=str,
)
async def test_every_shape_of_answer_is_read_alike_and_may_be_saved_back(
    client: EmagClient, market: Market, shapes: dict[str, Any]
) -> None:
    order, ret = await order_now(client), await return_now(client)
    market.switches = replace(market.switches, **shapes)
    bent, bent_return = await order_now(client), await return_now(client)
    assert replace(bent, raw={}) == replace(order, raw={})
    assert replace(bent_return, raw={}) == replace(ret, raw={})
    assert (await save(client, status=3)).verdict is Verdict.APPLIED
    body = return_body(bent_return, request_status=3)
    assert (await client.exchange(RMA_SAVE, [body])).verdict is Verdict.APPLIED
    assert market.journal.violations() == []


async def test_both_count_the_same_elements(client: EmagClient) -> None:
    order = await order_now(client)
    assert elements(order.raw) == bodies.elements(order.raw) > 100


@pytest.mark.parametrize(
    ("point", "kind", "verdict", "cause", "status"),
    [
        ("before_effect", "reset", "unknown", "network", 2),
        ("after_effect", "reset", "unknown", "network", 3),
        ("before_effect", "http_502_html", "unknown", "server", 2),
        ("after_effect", "http_502_html", "unknown", "server", 3),
        ("after_effect", "cut_body", "unknown", "body", 3),
        ("before_effect", "locked", "unavailable", "locked", 2),
        ("before_effect", "throttle", "throttled", "limit", 2),
        ("before_effect", "forbidden", "unavailable", "credentials", 2),
    ],
)
async def test_a_verdict_never_denies_an_effect(
    client: EmagClient,
    market: Market,
    point: Any,
    kind: str,
    verdict: str,
    cause: str,
    status: int,
) -> None:
    body = order_body(await order_now(client), status=3)
    market.faults.add(route="order/save", point=point, kind=kind)
    answer = await client.exchange(ORDER_SAVE, [body])
    assert (answer.verdict, answer.cause) == (verdict, cause)
    assert (await order_now(client)).status == status


async def test_a_write_past_its_deadline_is_unknown(account: Account, market: Market) -> None:
    market.faults.add(route="order/save", point="after_effect", kind="slow", seconds=30)
    async with open_client(account, deadline=0.3) as client:
        body = order_body(await order_now(client), status=3)
        answer = await client.exchange(ORDER_SAVE, [body])
        assert (answer.verdict, answer.cause) == (Verdict.UNKNOWN, Cause.TIMEOUT)


async def test_wrong_credentials_are_told_as_such(account: Account) -> None:
    wrong = replace(account, password=SecretStr("wrong"))
    async with open_client(wrong) as client:
        answer = await client.exchange(ORDER_COUNT, {})
        assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.CREDENTIALS)


@pytest.mark.parametrize("status", [200, 403])
async def test_an_address_that_is_not_allowed_is_told_by_its_text(
    client: EmagClient, market: Market, status: Any
) -> None:
    market.switches = replace(
        market.switches, allowed_addresses=frozenset({"203.0.113.7"}), address_refusal=status
    )
    answer = await client.exchange(ORDER_SAVE, [{"id": ORDER}])
    assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.ADDRESS)
    assert answer.http_status == status


async def test_a_route_that_emag_does_not_have_was_not_applied(client: EmagClient) -> None:
    invented = Route("order/cancel", Bucket.ORDERS, Family.ORDERS, writes=True)
    answer = await client.exchange(invented, [{"id": ORDER}])
    assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.ROUTE)


async def test_over_the_limit_is_throttled(client: EmagClient, market: Market) -> None:
    market.switches = replace(market.switches, limits=True, other_per_second=1, retry_after=True)
    verdicts = [(await client.exchange(RMA_READ, {"emag_id": RMA})) for _ in range(3)]
    assert verdicts[-1].verdict is Verdict.THROTTLED
    assert verdicts[-1].retry_after is not None


async def test_messages_under_the_other_key_name_their_items_too(
    client: EmagClient, market: Market
) -> None:
    market.switches = replace(market.switches, message_key="message")
    market.add_return({"emag_id": 9, "order_id": 480000103, "request_status": 5})
    found = [
        read_return(row, client.account.zone)
        for row in rows((await client.exchange(RMA_READ, {})).results)
    ]
    answer = await client.exchange(RMA_SAVE, [return_body(ret, request_status=7) for ret in found])
    assert (answer.verdict, set(answer.named)) == (Verdict.REFUSED, {9, RMA})
