"""A shop on real parts: the ERP's tables in PostgreSQL, the sandbox over HTTP, and runs between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from flows.outbound import carry_out, close_report
from flows.report import Report
from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.erp.schema import read_schema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import open_engine
from integrations.ledger.timings import Timings
from integrations.sandbox.market import Market
from integrations.sync.channel import Channel, Tally
from integrations.sync.plan_cancellations import Policy
from tasks.call import mirror_issued

QUICK = Timings(
    quiet=0.0,
    quiet_cap=0.0,
    deadline=2.0,
    settle=0.5,
    lease=30.0,
    renew=5.0,
    copy_age=20.0,
    budget_wait=20.0,
    look_again=0.0,
    backoff_first=0.0,
    backoff_most=0.0,
    pause=0.0,
)

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


@dataclass
class Erp:
    """The seller's ERP: it knows its own tables and nothing of ours."""

    engine: AsyncEngine
    numbers: int = 0

    async def insert(self, table: str, **columns: object) -> int:
        """Insert one row in a transaction of its own; its id."""
        values = {**FILLED.get(table, {}), **columns}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        async with self.engine.begin() as connection:
            inserted = await connection.execute(
                text(f"INSERT INTO app.{table} ({names}) VALUES ({marks}) RETURNING id"), values
            )
            return int(inserted.scalar_one())

    async def add(
        self, kind: Kind, order_id: object, *items: Mapping[str, object], **columns: object
    ) -> int:
        """A row of this kind about an order, with its items; its id."""
        table = ERP_TABLES[kind]
        self.numbers += 1
        named = {NAMES[kind]: f"N-{self.numbers}", "emag_order_id": order_id, **columns}
        if named["emag_order_id"] is not None:
            named["emag_order_id"] = str(order_id)
        row_id = await self.insert(table.name, **named)
        for item in items:
            assert table.items is not None and table.parent is not None
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
        async with self.engine.begin() as connection:
            await connection.execute(
                text(f"UPDATE app.{ERP_TABLES[kind].name} SET {assignments} WHERE id = :id"),
                {**columns, "id": row_id},
            )

    async def delete(self, kind: Kind, row_id: int) -> None:
        """Delete a row and its items."""
        table = ERP_TABLES[kind]
        async with self.engine.begin() as connection:
            if table.items:
                await connection.execute(
                    text(f"DELETE FROM app.{table.items} WHERE {table.parent} = :id"),
                    {"id": row_id},
                )
            await connection.execute(
                text(f"DELETE FROM app.{table.name} WHERE id = :id"), {"id": row_id}
            )

    async def row(self, kind: Kind, row_id: int) -> dict[str, Any]:
        """A row as it is now."""
        async with self.engine.connect() as connection:
            found = await connection.execute(
                text(f"SELECT * FROM app.{ERP_TABLES[kind].name} WHERE id = :id"), {"id": row_id}
            )
            return dict(found.mappings().one())


@dataclass
class Shop:
    """A shop with one account, whose runs are the flows' own."""

    erp: Erp
    market: Market
    channel: Channel
    reports: list[Report] = field(default_factory=list)

    async def run(self, kind: Kind, **changes: Any) -> Report:
        """One run of a kind's way out, with changes to the channel for this run."""
        channel = replace(self.channel, tally=Tally(), **changes)
        report = Report(kind.value, channel.account.name, "out", False, datetime.now(UTC))
        if kind is Kind.INVOICE:
            await mirror_issued(channel)
        await carry_out(channel, kind, 100_000, report)
        close_report(report, channel, 0.0)
        self.reports.append(report)
        return report

    async def books(self, kind: Kind, row_id: int) -> dict[str, Any]:
        """What our books say of an ERP row."""
        books = BOOKS[kind]
        async with self.channel.engine.connect() as connection:
            found = await connection.execute(
                text(f"SELECT * FROM {books.name} WHERE {books.erp_id} = :id AND NOT superseded"),
                {"id": row_id},
            )
            return dict(found.mappings().one())

    async def sql(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Run a statement on the database in a transaction of its own."""
        async with self.channel.engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []


@pytest.fixture
async def shop(database_url: str, market: Market, account: Account) -> AsyncIterator[Shop]:
    """A shop whose waits are short; nothing illegal may ever have been asked of its eMAG."""
    engine = open_engine(database_url)
    async with engine.connect() as connection:
        schema = await read_schema(connection)
    async with open_client(account, deadline=QUICK.deadline) as client:
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
        )
        yield Shop(Erp(engine), market, channel)
    await engine.dispose()
    assert market.journal.violations() == []
