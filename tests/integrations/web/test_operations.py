"""The guide's operations write the ERP's rows, once for each key, and tell where they stand."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from integrations.ledger import hints
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine

CANCELLATION = {
    "emag_order_id": "480000101",
    "reason": "inventory_unavailable",
    "items": [{"product_id": "1001", "quantity": 1}],
}
INVOICE = {"emag_order_id": 480000101, "invoice_number": "EX-1", "total_amount": "119.00"}


async def rows(engine: Engine, query: str, **values: object) -> list[dict[str, Any]]:
    async with rolled_back(engine) as connection:
        return [row._asdict() for row in await connection.execute(query, values)]


async def settle(engine: Engine, row_id: int, **columns: object) -> None:
    """Let a sync have carried a cancellation."""
    values = {"sync_state": "synced", "error_message": None, **columns}
    async with transaction(engine) as connection:
        await connection.execute("DELETE FROM app.emag_changes")
        await connection.execute(
            "INSERT INTO app.emag_cancellation_integrations (cancellation_request_id,"
            " emag_cancellation_id, emag_order_id, platform, account_type, sync_state,"
            " error_message) VALUES (:id, '480000101', 480000101, 'emag-ro', 'main',"
            " :sync_state, :error_message)",
            {"id": row_id, **values},
        )


async def test_a_cancellation_becomes_a_row_with_its_items(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    answer = await api.post("/order/cancel", json=CANCELLATION)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["success"], told["state"]) == (True, "pending")
    [row] = await rows(engine, "SELECT * FROM app.cancellation_requests")
    assert (row["id"], row["emag_order_id"]) == (told["row_id"], "480000101")
    assert row["reason"] == "inventory_unavailable"
    [item] = await rows(engine, "SELECT * FROM app.cancellation_items")
    assert (item["cancellation_request_id"], item["product_id"]) == (row["id"], "1001")
    changes = await rows(engine, "SELECT DISTINCT kind, row_id FROM app.emag_changes")
    assert changes == [{"kind": "cancellation", "row_id": row["id"]}]


async def test_the_same_key_makes_one_row(api: httpx.AsyncClient, engine: Engine) -> None:
    headers = {"Idempotency-Key": "order-480000101"}
    answers = [await api.post("/order/cancel", json=CANCELLATION, headers=headers) for _ in "abc"]
    assert len({answer.json()["row_id"] for answer in answers}) == 1
    assert len(await rows(engine, "SELECT id FROM app.cancellation_requests")) == 1


async def test_the_same_key_makes_one_row_however_many_come_with_it_at_once(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    headers = {"Idempotency-Key": "order-480000101"}
    answers = await asyncio.gather(
        *(api.post("/order/cancel", json=CANCELLATION, headers=headers) for _ in range(8))
    )
    [row] = await rows(engine, "SELECT id FROM app.cancellation_requests")
    assert {(each.status_code, each.json()["row_id"]) for each in answers} == {(202, row["id"])}


async def test_a_key_that_came_with_something_else_is_refused(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    headers = {"Idempotency-Key": "one"}
    await api.post("/order/cancel", json=CANCELLATION, headers=headers)
    other = {**CANCELLATION, "emag_order_id": "480000102"}
    answer = await api.post("/order/cancel", json=other, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert "use a new one" in answer.json()["detail"]
    assert len(await rows(engine, "SELECT id FROM app.cancellation_requests")) == 1


async def test_an_amount_is_the_same_however_it_is_spelt(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    headers = {"Idempotency-Key": "one"}
    answers = [
        await api.post(
            "/order/cancel", json={**CANCELLATION, "refund_amount": amount}, headers=headers
        )
        for amount in ("100.00", "100", 100, 100.0)
    ]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len(await rows(engine, "SELECT id FROM app.cancellation_requests")) == 1
    other = {**CANCELLATION, "refund_amount": "10"}
    assert (await api.post("/order/cancel", json=other, headers=headers)).status_code == 422


async def test_a_key_whose_row_was_deleted_says_so(api: httpx.AsyncClient, engine: Engine) -> None:
    headers = {"Idempotency-Key": "one"}
    made = (await api.post("/order/cancel", json=CANCELLATION, headers=headers)).json()["row_id"]
    async with transaction(engine) as connection:
        await connection.execute("DELETE FROM app.cancellation_items")
        await connection.execute("DELETE FROM app.cancellation_requests")
    answer = await api.post("/order/cancel", json=CANCELLATION, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (404, "Idempotency-Key")
    assert f"row {made} of app.cancellation_requests" in answer.json()["detail"]
    assert "use a new key" in answer.json()["detail"]
    assert await rows(engine, "SELECT id FROM app.cancellation_requests") == []


async def test_a_column_that_the_erp_gets_while_the_server_runs_is_written(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    async def alter(change: str) -> None:
        async with transaction(engine) as connection:
            await connection.execute(f"ALTER TABLE app.cancellation_requests {change}")

    noted = {**CANCELLATION, "internal_notes": "damaged"}
    await alter("DROP COLUMN internal_notes")
    before = await api.post("/order/cancel", json=noted)
    await alter("ADD COLUMN internal_notes text")
    after = await api.post("/order/cancel", json=noted)
    assert (before.status_code, before.json()["field"]) == (409, "internal_notes")
    assert after.status_code == 202
    [row] = await rows(engine, "SELECT internal_notes FROM app.cancellation_requests")
    assert row["internal_notes"] == "damaged"


async def test_a_refund_is_asked_for_on_the_row(api: httpx.AsyncClient, engine: Engine) -> None:
    made = (await api.post("/order/cancel", json=CANCELLATION)).json()["row_id"]
    await settle(engine, made)
    refund = {"cancellation_id": made, "refund_amount": "12.50"}
    answer = await api.post("/order/process_refund", json=refund)
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    [row] = await rows(engine, "SELECT refund_status, refund_amount FROM app.cancellation_requests")
    assert (row["refund_status"], str(row["refund_amount"])) == ("processing", "12.50")


async def test_the_outcome_is_told_to_who_waits(api: httpx.AsyncClient, engine: Engine) -> None:
    made = (await api.post("/order/cancel", json=CANCELLATION)).json()["row_id"]
    await settle(engine, made, sync_state="refused", error_message="order 480000101 is unknown")
    same = {"cancellation_id": made}
    async with transaction(engine) as connection:  # what is asked for is so already
        await connection.execute(
            "UPDATE app.cancellation_requests SET refund_status = 'processing'"
        )
        await connection.execute("DELETE FROM app.emag_changes")
    answer = await api.post("/order/process_refund", params={"wait": 5}, json=same)
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert answer.json()["error"] == "order 480000101 is unknown"


async def test_a_return_is_decided_by_the_erps_id_or_by_emags(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    made = (await api.post("/rma/create", json={"emag_order_id": "480000101"})).json()["row_id"]
    decided = {"return_id": made, "status": "approved"}
    assert (await api.post("/rma/update_status", json=decided)).status_code == 202
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id,"
            " platform, sync_state) VALUES (:id, '52000001', 'emag-ro', 'synced')",
            {"id": made},
        )
    decided = {"rma_id": 52000001, "status": "completed"}
    assert (await api.post("/rma/update_status", json=decided)).json()["row_id"] == made
    [row] = await rows(engine, "SELECT status FROM app.return_requests")
    assert row["status"] == "completed"
    found = await api.get("/rma/52000001")
    assert (found.status_code, found.json()["emag_rma_id"]) == (200, "52000001")


async def test_an_invoice_is_taken_on_and_looked_at(api: httpx.AsyncClient, engine: Engine) -> None:
    made = (await api.post("/invoice/create", json=INVOICE)).json()
    assert made["state"] == "pending"
    [row] = await rows(engine, "SELECT * FROM app.invoices")
    assert (row["status"], row["emag_order_id"]) == ("issued", "480000101")
    assert (await api.get(f"/invoice/{made['row_id']}")).json()["state"] == "pending"


async def test_a_draft_is_not_carried(api: httpx.AsyncClient, engine: Engine) -> None:
    draft = {**INVOICE, "status": "draft"}
    made = (await api.post("/invoice/create", json=draft)).json()["row_id"]
    async with transaction(engine) as connection:
        await connection.execute("DELETE FROM app.emag_changes")  # it was looked at
    assert (await api.get(f"/invoice/{made}")).json()["state"] == "idle"


async def test_asking_for_a_payment_queues_a_read_of_the_order(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    made = (await api.post("/invoice/create", json=INVOICE)).json()["row_id"]
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.emag_invoice_integrations (invoice_id, emag_order_id, platform,"
            " account_type, sync_state) VALUES (:id, 480000101, 'emag-ro', 'main', 'synced')",
            {"id": made},
        )
    answer = await api.post("/invoice/update_payment", json={"invoice_id": made})
    assert answer.status_code == 202
    owed = await rows(engine, "SELECT order_id FROM app.emag_orders WHERE owed")
    assert owed == [{"order_id": 480000101}]


async def test_a_read_that_is_not_queued_is_not_said_to_be(
    api: httpx.AsyncClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "MOST_UNSEEN", 1)
    for order_id in (480000101, 480000102):
        made = await api.post("/invoice/create", json={**INVOICE, "invoice_number": str(order_id)})
        await add_books(
            engine,
            made.json()["row_id"],
            sync_state="synced",
            emag_order_id=order_id,
            platform="emag-ro",
            account_type="main",
        )
    first, second = [
        await api.post("/invoice/update_payment", json={"invoice_id": row["id"]})
        for row in await rows(engine, "SELECT id FROM app.invoices ORDER BY id")
    ]
    assert first.status_code == 202
    assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
    assert "ask again once a sync has read some" in second.json()["detail"]
    assert len(await rows(engine, "SELECT order_id FROM app.emag_orders")) == 1


async def add_books(engine: Engine, row_id: int, **columns: object) -> None:
    """Let a sync have looked at an invoice."""
    values = {"invoice_id": row_id, **columns}
    async with transaction(engine) as connection:
        await connection.execute("DELETE FROM app.emag_changes")
        await connection.execute(
            f"INSERT INTO app.emag_invoice_integrations ({', '.join(values)})"
            f" VALUES ({', '.join(f':{name}' for name in values)})",
            values,
        )


@pytest.mark.parametrize(
    ("books", "why"),
    [
        (None, "no sync has looked at it yet: ask again once one has"),
        (
            {"sync_state": "refused", "error_message": "emag_order_id is no number"},
            "it was refused (emag_order_id is no number): correct the ERP's row",
        ),
        ({"sync_state": "waiting", "waiting_for": "account"}, "it waits (account)"),
        ({"sync_state": "withdrawn"}, "names no order of eMAG's: correct the ERP's row"),
    ],
)
async def test_a_payment_that_nobody_can_ask_for_is_a_conflict_that_says_why(
    api: httpx.AsyncClient, engine: Engine, books: dict[str, object] | None, why: str
) -> None:
    made = (await api.post("/invoice/create", json=INVOICE)).json()["row_id"]
    if books is not None:
        await add_books(engine, made, **books)
    answer = await api.post("/invoice/update_payment", json={"invoice_id": made})
    assert (answer.status_code, answer.json()["field"]) == (409, "invoice_id")
    assert why in answer.json()["detail"]
    assert await rows(engine, "SELECT order_id FROM app.emag_orders") == []


async def test_a_payment_of_a_draft_is_a_conflict_that_says_why(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    draft = {**INVOICE, "status": "draft"}
    made = (await api.post("/invoice/create", json=draft)).json()["row_id"]
    async with transaction(engine) as connection:
        await connection.execute("DELETE FROM app.emag_changes")  # it was looked at
    answer = await api.post("/invoice/update_payment", json={"invoice_id": made})
    assert answer.status_code == 409
    assert (
        f"issue it, or if it is issued, queue it with `emag-flows replay invoice:{made}`"
        in (answer.json()["detail"])
    )


@pytest.fixture
async def on_both(api: httpx.AsyncClient, engine: Engine) -> dict[str, int]:
    """The ERP's rows of return 52000001 of two platforms, by platform."""
    made = {}
    for platform, order in (("emag-ro", "480000101"), ("emag-bg", "480000102")):
        answer = await api.post("/rma/create", json={"emag_order_id": order})
        made[platform] = answer.json()["row_id"]
        async with transaction(engine) as connection:
            await connection.execute(
                "INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id,"
                " platform, sync_state) VALUES (:id, '52000001', :platform, 'synced')",
                {"id": made[platform], "platform": platform},
            )
    return made


async def test_a_number_that_two_platforms_use_is_not_guessed_at(
    api: httpx.AsyncClient, engine: Engine, on_both: dict[str, int]
) -> None:
    looked = await api.get("/rma/52000001")
    decided = await api.post("/rma/update_status", json={"rma_id": 52000001, "status": "completed"})
    for answer in (looked, decided):
        assert (answer.status_code, answer.json()["field"]) == (409, "rma_id")
        for platform, row_id in on_both.items():
            assert f"row {row_id} on {platform}" in answer.json()["detail"]
        assert "name the platform, or the row" in answer.json()["detail"]
    found = await rows(engine, "SELECT DISTINCT status FROM app.return_requests")
    assert found == [{"status": "pending"}]


@pytest.mark.parametrize("platform", ["emag-ro", "emag-bg"])
async def test_the_platform_tells_which_is_meant(
    api: httpx.AsyncClient, engine: Engine, on_both: dict[str, int], platform: str
) -> None:
    looked = await api.get("/rma/52000001", params={"platform": platform})
    decision = {"rma_id": 52000001, "platform": platform, "status": "completed"}
    decided = await api.post("/rma/update_status", json=decision)
    elsewhere = await api.get("/rma/52000001", params={"platform": "emag-hu"})
    assert [looked.json()["row_id"], decided.json()["row_id"]] == [on_both[platform]] * 2
    assert (elsewhere.status_code, elsewhere.json()["field"]) == (404, "rma_id")
    done = await rows(engine, "SELECT id FROM app.return_requests WHERE status = 'completed'")
    assert done == [{"id": on_both[platform]}]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/order/cancel", {"emag_order_id": "abc"}, 422, "emag_order_id"),
        ("/order/cancel", {}, 422, "emag_order_id"),
        ("/order/cancel", {"emag_order_id": "1", "colour": "red"}, 422, "colour"),
        ("/rma/create", {"emag_order_id": "1", "status": "eaten"}, 422, "status"),
        ("/invoice/create", {"emag_order_id": "1"}, 422, "invoice_number"),
        ("/invoice/create", {**INVOICE, "pdf_url": "ftp://x"}, 422, "pdf_url"),
        ("/invoice/create", {**INVOICE, "total_amount": -1}, 422, "total_amount"),
        ("/rma/update_status", {"status": "approved"}, 422, "body"),
        ("/rma/update_status", {"return_id": 7, "status": "approved"}, 404, "return_id"),
        ("/order/process_refund", {"cancellation_id": 7}, 404, "cancellation_id"),
        ("/rma/update_status", {"rma_id": 52000001, "status": "approved"}, 404, "rma_id"),
        ("/invoice/update_payment", {"invoice_id": 7}, 404, "invoice_id"),
        ("/integration/test-connection", {"account_type": "hu"}, 404, "account_type"),
        ("/invoice/create", {**INVOICE, "invoice_date": "tomorrow"}, 422, "invoice_date"),
        (
            "/rma/create",
            {"emag_order_id": "1", "items": [{"product_id": []}]},
            422,
            "items.0.product_id",
        ),
    ],
)
async def test_a_mistake_names_the_field(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    answer = await api.post(path, json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["field"]) == (status, field)


async def test_a_number_that_is_taken_is_a_conflict(api: httpx.AsyncClient) -> None:
    await api.post("/invoice/create", json=INVOICE)
    answer = await api.post("/invoice/create", json=INVOICE)
    assert answer.status_code == 409
    assert answer.json()["field"] == "invoice_number"
    assert "use another number" in answer.json()["detail"]
    assert "EX-1" not in answer.json()["detail"]


async def test_what_is_no_json_is_malformed(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.post("/order/cancel", content=b'{"reason": other}', headers=headers)
    told = answer.json()
    assert (answer.status_code, told["status"], told["field"]) == (400, 400, "body")
    assert told["detail"] == "the body is no JSON: Expecting value, after 11 characters"


async def test_what_is_no_text_is_malformed(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.post("/order/cancel", content=b'"\xff\xfe"', headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")
    assert "send JSON in UTF-8" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_a_body_that_is_not_called_json_is_told_how_to_be(
    api: httpx.AsyncClient, kind: str | None
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await api.post("/order/cancel", content=b'{"emag_order_id": "1"}', headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (415, "Content-Type")
    assert "send it with Content-Type: application/json" in answer.json()["detail"]


async def test_an_address_that_is_none_and_a_wrong_method_say_what_there_is(
    api: httpx.AsyncClient,
) -> None:
    nowhere = await api.get("/orders")
    wrong = await api.get("/order/cancel")
    assert (nowhere.status_code, "see /docs" in nowhere.json()["detail"]) == (404, True)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["detail"].endswith("takes no GET: use POST")
