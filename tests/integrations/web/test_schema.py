"""Whatever is thrown at the endpoints, they answer as OpenAPI says, never with a fault."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from integrations.emag.accounts import Account
from integrations.ledger.database import open_engine
from integrations.services.books import Database
from integrations.web.app import create_app
from integrations.web.context import Context
from tests.integrations.web.conftest import SECRET, TOKEN, examine

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/pdf")
def _pdf(_: object, value: object) -> bytes:
    """A document of whatever was generated."""
    return value if isinstance(value, bytes) else f"%PDF-{value}\n%%EOF".encode(errors="replace")


@pytest.fixture
def schema(database_url: str) -> schemathesis.BaseSchema:
    """What the served application says of itself."""
    account = Account("main", "main", "x", SecretStr("y"), "http://127.0.0.1:9/api-3")

    async def build() -> Context:
        engine = open_engine(database_url)
        database = Database(engine)
        await engine.dispose()
        return Context(
            accounts={"main": account},
            database=database,
            secret=SECRET,
            examine=examine,
            token=TOKEN,
            public_url="https://shop.example.com",
            rate=1e6,
        )

    app = create_app(asyncio.run(build()))
    return schemathesis.openapi.from_asgi(
        "/openapi.json", app, headers={"Authorization": f"Bearer {TOKEN}"}
    )


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def _every_answer_is_as_described(operation: Any, data: st.DataObject) -> None:
    case = data.draw(operation.as_strategy())
    case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {TOKEN}"})


def test_every_answer_is_as_described(schema: schemathesis.BaseSchema) -> None:
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) == 18
    for operation in operations:
        _every_answer_is_as_described(operation)
