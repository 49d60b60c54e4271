"""Whatever is thrown at the endpoints, they answer as OpenAPI says, never with a fault.

What OpenAPI says is taken is taken, and each endpoint is seen to do its work: half of what is
generated names rows, documents and addresses that are there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from integrations.emag.accounts import Account
from integrations.ledger.engine import Engine
from integrations.services.books import Database
from integrations.web.app import PREFIX, create_app
from integrations.web.callbacks import secret_of
from integrations.web.context import Context
from tests.integrations.ledger.mirrored import insert
from tests.integrations.web.conftest import SECRET, TOKEN, examine

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    positive_data_acceptance,
]
BEARER = {"Authorization": f"Bearer {TOKEN}"}
RMA = 52000077
FOLDED = {
    "emag_order_id": "480000101",
    "platform": "emag-ro",
    "account_type": "main",
    "sync_state": "waiting",
    "waiting_for": "document",
}


@dataclass(frozen=True)
class Served:
    """The application's own description, and what is there: parameters and fields by name."""

    schema: schemathesis.BaseSchema
    there: Mapping[str, Any]


@schemathesis.serializer("application/pdf")
def _pdf(_: object, value: object) -> bytes:
    """A document of whatever was generated."""
    return value if isinstance(value, bytes) else f"%PDF-{value}\n%%EOF".encode(errors="replace")


@pytest.fixture
def served(database_url: str) -> Served:
    account = Account("main", "main", "x", SecretStr("y"), "http://127.0.0.1:9/api-3")

    async def build() -> tuple[Context, Mapping[str, Any]]:
        engine = Engine(database_url)
        context = Context(
            accounts={"main": account},
            database=Database(engine),
            secret=SECRET,
            examine=examine,
            token=TOKEN,
            public_url="https://shop.example.com",
            rate=1e6,
        )
        there = await fill(context)
        engine.close()
        return context, {**there, "secret": secret_of(context, account)}

    context, there = asyncio.run(build())
    app = create_app(context)
    return Served(schemathesis.openapi.from_asgi("/openapi.json", app, headers=BEARER), there)


async def fill(context: Context) -> Mapping[str, Any]:
    """A return that is linked, a cancellation, an invoice with its document."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(context)),
        base_url=f"http://api.example.com{PREFIX}",
        headers=BEARER,
    ) as client:

        async def create(what: str, **form: Any) -> int:
            answer = await client.post(f"/{what}", json={"emag_order_id": 480000101, **form})
            return int(answer.json()["row_id"])

        there = {
            "return_id": await create("rma/create", emag_return_id=str(RMA)),
            "cancellation_id": await create("order/cancel"),
            "invoice_id": await create("invoice/create", invoice_number="EX-1"),
        }
        pdf = b"%PDF-1.7 invented\n%%EOF\n"
        stored = await client.put(f"/documents/{there['invoice_id']}", content=pdf)
    name = stored.json()["url"].rpartition("/")[2].removesuffix(".pdf")
    linked = {"return_request_id": there["return_id"], "emag_return_id": str(RMA)}
    engine = context.database.engine
    await insert(engine, "emag_return_integrations", **linked, **FOLDED)
    await insert(engine, "emag_invoice_integrations", invoice_id=there["invoice_id"], **FOLDED)
    return {**there, "rma_id": RMA, "name": name, "account_type": "main"}


def point_at(there: Mapping[str, Any], case: schemathesis.Case[Any]) -> None:
    """Let a request name what is there, wherever it names something of that kind."""
    for place in (case.path_parameters, case.body):
        if isinstance(place, dict):
            named = {name for name, value in place.items() if value is not None}
            place.update({name: there[name] for name in named & there.keys()})


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def _every_answer_is_as_described(
    operation: Any, there: Mapping[str, Any], statuses: Counter[int], data: st.DataObject
) -> None:
    case = data.draw(operation.as_strategy())
    if data.draw(st.booleans()):
        point_at(there, case)
    if "wait" in case.query:
        case.query["wait"] = 0.01  # nobody carries anything here
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid4().hex  # or it would name another request
    statuses[case.call_and_validate(checks=CHECKS, headers=BEARER).status_code] += 1


def test_every_answer_is_as_described(served: Served) -> None:
    operations = [each.ok() for each in served.schema.get_all_operations() if isinstance(each, Ok)]
    answered = {each.label: Counter[int]() for each in operations}
    assert len(answered) == 18
    for operation in operations:
        _every_answer_is_as_described(operation, served.there, answered[operation.label])

    done = {label for label, statuses in answered.items() if any(s < 300 for s in statuses)}
    assert answered.keys() - done == set(), answered
