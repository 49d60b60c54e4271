"""A shop on real parts: the ERP's tables in PostgreSQL, the sandbox over HTTP, and runs between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet

from flows import cancellation, invoice, rma
from flows.outbound import close_report
from flows.parameters import Direction, SyncParameters
from flows.report import Report
from flows.sync import Story
from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.erp.schema import read_schema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit, rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.replay import Reference, replay
from integrations.ledger.sealing import unseal
from integrations.ledger.timings import Timings
from integrations.sandbox.documents import DocumentKind
from integrations.sandbox.market import Market
from integrations.sync.channel import Channel, Tally
from integrations.sync.plan_cancellations import Policy
from migrations.run import upgrade
from tests.databases import WarmEngine, kept_database
from tests.migrations import existing_erp

QUICK = Timings(
    quiet=0.0,
    quiet_cap=0.0,
    deadline=2.0,
    probe_deadline=2.0,
    settle=0.5,
    lease=30.0,
    renew=5.0,
    copy_age=20.0,
    budget_wait=20.0,
    look_again=900.0,
    backoff_first=30.0,
    backoff_most=3600.0,
    pause=0.0,
    probe=0.0,
)

# Seconds to connect in: here the server has the same loop, and a busy machine halts both at once.
CONNECTING = 10.0

STORIES: Mapping[Kind, Story] = {
    Kind.RMA: rma._sync,
    Kind.CANCELLATION: cancellation._sync,
    Kind.INVOICE: invoice._sync,
}

NAMES: Mapping[Kind, str] = {
    Kind.RMA: "return_number",
    Kind.CANCELLATION: "cancellation_number",
    Kind.INVOICE: "invoice_number",
}

FILLED: Mapping[str, Mapping[str, object]] = {
    "return_requests": {"status": "approved", "reason": "other", "customer_name": "Ana Exemplu"},
    "return_items": {"sku": "CANA-350", "product_name": "Cana", "quantity": 1},
    "cancellation_requests": {
        "status": "pending",
        "reason": "inventory_unavailable",
        "customer_name": "Ana Exemplu",
    },
    "cancellation_items": {"sku": "CANA-350", "product_name": "Cana", "quantity": 1},
    "invoices": {
        "status": "issued",
        "invoice_type": "sales_invoice",
        "customer_name": "Ana Exemplu",
        "invoice_date": datetime(2026, 11, 2),  # noqa: DTZ001 - the ERP's times carry no zone
        "due_date": datetime(2026, 11, 30),  # noqa: DTZ001
        "company_name": "Magazin Exemplu",
        "company_tax_id": "RO000",
    },
}
PRICES = {"unit_price": 1, "total_amount": 1}

_MOMENT = datetime(2026, 11, 2)  # noqa: DTZ001
_TIMES = {"created_at": _MOMENT, "updated_at": _MOMENT}
_OWNER = {"account_type": "main", "customer_name": "Ana Exemplu", **_TIMES}
_REFUND = {"refund_amount": 0, "refund_processed": False}
_ITEM = {"sku": "CANA-350", "product_name": "Cana", "quantity": 1, "refund_amount": 0, **_TIMES}

FILLED_FIRST: Mapping[str, Mapping[str, object]] = {
    "return_requests": {
        "status": "APPROVED",
        "reason": "OTHER",
        "refund_method": "ORIGINAL_PAYMENT",
        **_REFUND,
        **_OWNER,
    },
    "return_items": {
        "condition": "new",
        "status": "PENDING",
        "approved_quantity": 0,
        "rejected_quantity": 0,
        "refund_processed": False,
        **_ITEM,
    },
    "cancellation_requests": {
        "status": "PENDING",
        "reason": "INVENTORY_UNAVAILABLE",
        "cancellation_fee": 0,
        "currency": "RON",
        "refund_status": "PENDING",
        "stock_restored": False,
        **_REFUND,
        **_OWNER,
    },
    "cancellation_items": {"stock_to_restore": 0, "stock_restored": False, **_ITEM},
    "invoices": {
        **FILLED["invoices"],
        "status": "ISSUED",
        "invoice_type": "SALES_INVOICE",
        "subtotal": 0,
        "tax_amount": 0,
        "total_amount": 0,
        "currency": "RON",
        "paid_amount": 0,
        "pdf_generated": False,
        **_OWNER,
    },
}
"""The same for an ERP that was there first: native enums, nothing has a default."""


@dataclass
class Erp:
    """The seller's ERP: it knows its own tables and nothing of ours."""

    engine: Engine
    numbers: int = 0
    filled: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: FILLED)

    async def insert(self, table: str, **columns: object) -> int:
        """Insert one row in a transaction of its own; its id."""
        values = {**self.filled.get(table, {}), **columns}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        async with transaction(self.engine) as connection:
            inserted = await connection.execute(
                f"INSERT INTO app.{table} ({names}) VALUES ({marks}) RETURNING id", values
            )
            return int(inserted.scalar_one())

    async def add(
        self, kind: Kind, order_id: object, /, *items: Mapping[str, object], **columns: object
    ) -> int:
        """A row of this kind about an order, with its items; its id."""
        table = ERP_TABLES[kind]
        self.numbers += 1
        named = {NAMES[kind]: f"N-{self.numbers}", "emag_order_id": order_id, **columns}
        if named["emag_order_id"] is not None:
            named["emag_order_id"] = str(order_id)
        row_id = await self.insert(table.name, **named)
        for item in items:
            assert table.items is not None
            assert table.parent is not None
            await self.insert(
                table.items,
                **{table.parent: row_id, **PRICES, "condition": "new", **item}
                if kind is Kind.RMA
                else {table.parent: row_id, **PRICES, **item},
            )
        return row_id

    async def update(self, kind: Kind, row_id: int, **columns: object) -> None:
        """Change columns of a row."""
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        async with transaction(self.engine) as connection:
            await connection.execute(
                f"UPDATE app.{ERP_TABLES[kind].name} SET {assignments} WHERE id = :id",
                {**columns, "id": row_id},
            )

    async def delete(self, kind: Kind, row_id: int) -> None:
        """Delete a row and its items."""
        table = ERP_TABLES[kind]
        async with transaction(self.engine) as connection:
            if table.items:
                await connection.execute(
                    f"DELETE FROM app.{table.items} WHERE {table.parent} = :id",
                    {"id": row_id},
                )
            await connection.execute(f"DELETE FROM app.{table.name} WHERE id = :id", {"id": row_id})

    async def row(self, kind: Kind, row_id: int) -> dict[str, Any]:
        """A row as it is now."""
        async with rolled_back(self.engine) as connection:
            found = await connection.execute(
                f"SELECT * FROM app.{ERP_TABLES[kind].name} WHERE id = :id", {"id": row_id}
            )
            return dict(found.one()._asdict())


@dataclass
class Shop:
    """A shop with one account, whose runs are the flows' own."""

    erp: Erp
    market: Market
    channel: Channel
    reports: list[Report] = field(default_factory=list)

    def switch(self, **changes: Any) -> None:
        """Let the sandbox behave in another way."""
        self.market.switches = replace(self.market.switches, **changes)

    def document(self, name: str, kind: DocumentKind = "pdf") -> str:
        """The address of a document that the seller serves."""
        host = self.channel.account.base_url.removesuffix("/api-3")
        return host + self.market.add_document(name, kind=kind)

    async def run(self, kind: Kind, **changes: Any) -> Report:
        """One run of a kind's way out, with changes to the channel for this run."""
        return await self._run(kind, Direction.OUT, **changes)

    async def receive(self, kind: Kind, **changes: Any) -> Report:
        """One run of a kind's way in."""
        return await self._run(kind, Direction.IN, **changes)

    async def run_both(self, kind: Kind, **changes: Any) -> Report:
        """One run of a kind both ways."""
        return await self._run(kind, Direction.BOTH, **changes)

    async def _run(self, kind: Kind, direction: Direction, **changes: Any) -> Report:
        channel = replace(self.channel, tally=Tally(), **changes)
        report = Report(kind.value, channel.account.name, direction.value, False, datetime.now(UTC))
        await STORIES[kind](channel, SyncParameters(direction=direction), report)
        close_report(report, channel, 0.0)
        self.reports.append(report)
        return report

    async def books(self, kind: Kind, row_id: int) -> dict[str, Any]:
        """What our books say of an ERP row."""
        books = BOOKS[kind]
        async with autocommit(self.channel.engine) as connection:
            found = await connection.execute(
                f"SELECT * FROM {books.name} WHERE {books.erp_id} = :id AND NOT superseded",
                {"id": row_id},
            )
            return dict(found.one()._asdict())

    async def state(self, kind: Kind, row_id: int) -> str:
        """Where an ERP row stands, and what for if it waits: `waiting:document`."""
        books = await self.books(kind, row_id)
        waiting_for = books["waiting_for"]
        return f"{books['sync_state']}:{waiting_for}" if waiting_for else str(books["sync_state"])

    async def reason(self, kind: Kind, row_id: int) -> str:
        """What our books say to a person about an ERP row."""
        return str((await self.books(kind, row_id))["error_message"])

    async def queued(self, kind: Kind) -> set[int]:
        """The ERP rows that our books know."""
        books = BOOKS[kind]
        return {
            row["id"] for row in await self.sql(f"SELECT {books.erp_id} AS id FROM {books.name}")
        }

    async def rests(self, kind: Kind, row_id: int) -> float:
        """The seconds that an ERP row rests, as the database has them."""
        books = BOOKS[kind]
        [found] = await self.sql(
            "SELECT extract(epoch FROM next_attempt_at - updated_at AT TIME ZONE 'UTC')::float8"
            f" AS pause FROM {books.name} WHERE {books.erp_id} = :row",
            row=row_id,
        )
        return float(found["pause"])

    async def replay(self, kind: Kind, row_id: int) -> None:
        """Queue a row again by hand."""
        assert await replay(self.channel.engine, [Reference(kind, row_id)]) == []

    async def later(self) -> None:
        """Time passes: what rested is due, and the leases of lost requests have run out."""
        for books in BOOKS.values():
            await self.sql(
                f"UPDATE {books.name} SET next_attempt_at = clock_timestamp()"
                " WHERE sync_state IN ('pending', 'waiting', 'in_doubt')"
            )
        await self.sql("UPDATE app.emag_order_leases SET expires_at = clock_timestamp()")

    async def sent(self, route: str) -> list[dict[str, Any]]:
        """The entities of our requests to a route as they were recorded, oldest first."""
        calls = await self.sql(
            "SELECT request FROM app.emag_api_calls WHERE route = :route AND verdict <> 'unsent'"
            " ORDER BY sent_at",
            route=route,
        )
        bodies = [unseal(bytes(call["request"]), self.channel.sealer) for call in calls]
        return [entity for body in bodies for entity in json.loads(body)]

    async def sql(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Run a statement on the database in a transaction of its own."""
        async with transaction(self.channel.engine) as connection:
            return [row._asdict() for row in await connection.execute(statement, values)]


@asynccontextmanager
async def open_shop(database_url: str, market: Market, account: Account) -> AsyncIterator[Shop]:
    """A shop whose waits are short, with one account."""
    engine = WarmEngine(database_url)
    async with rolled_back(engine) as connection:
        schema = await read_schema(connection)
    async with open_client(account, deadline=QUICK.deadline, connecting=CONNECTING) as client:
        channel = Channel(
            account=account,
            accounts={account.name: account},
            client=client,
            engine=engine,
            schema=schema,
            timings=QUICK,
            policy=Policy(),
            gate=asyncio.Semaphore(8),
            holder="test",
            sealer=Fernet(Fernet.generate_key()),
        )
        yield Shop(Erp(engine), market, channel)
    engine.close()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, postgres: str, template: str) -> Iterator[str]:
    """URL of a migrated, empty database that nobody else has now.

    Where a test is marked `unpaced`, its requests wait for no limit.
    """
    from tests.end_to_end.pace import FREE_AT_ONCE

    unpaced = request.node.get_closest_marker("unpaced") is not None
    with kept_database(postgres, template, further=FREE_AT_ONCE if unpaced else "") as url:
        yield url


@pytest.fixture
async def shop(
    request: pytest.FixtureRequest, database_url: str, market: Market, account: Account
) -> AsyncIterator[Shop]:
    """A shop on a fresh database; nothing illegal may ever have been asked of its eMAG.

    Where a test is marked `unpaced`, its requests wait for no limit.
    """
    from tests.end_to_end.pace import open_unpaced_shop

    unpaced = request.node.get_closest_marker("unpaced") is not None
    opened = open_unpaced_shop if unpaced else open_shop
    async with opened(database_url, market, account) as shop:
        yield shop
    assert market.journal.violations() == []


@pytest.fixture
async def fbe(shop: Shop, account: Account) -> AsyncIterator[Shop]:
    """The seller's second account in `shop`, "fbe", for the orders that eMAG fulfils."""
    second = replace(account, name="fbe", account_type="fbe")
    shop.channel = replace(shop.channel, accounts={"main": account, "fbe": second})
    async with open_client(second, deadline=QUICK.deadline, connecting=CONNECTING) as client:
        yield Shop(shop.erp, shop.market, replace(shop.channel, account=second, client=client))


@pytest.fixture
def first_url(bare_database_url: str) -> str:
    """URL of a migrated database whose ERP was there first."""
    existing_erp.install(bare_database_url)
    upgrade(bare_database_url)
    return bare_database_url


@pytest.fixture
async def erp_first(first_url: str, market: Market, account: Account) -> AsyncIterator[Shop]:
    """A shop whose ERP was there first; nothing illegal may ever have been asked of its eMAG."""
    async with open_shop(first_url, market, account) as shop:
        shop.erp.filled = FILLED_FIRST
        yield shop
    assert market.journal.violations() == []
