"""Flows run under faults with every logger at its loudest; then everything they left is searched.

Neither the credentials nor anything that belongs to a customer may be found: in a log, in Prefect's
database, in the plain columns of the call record, in our books.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sqlite3
import sys
import zlib
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from flows.prefect_server import prefect_server, settings_for
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from tests.conftest import USERNAME

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PASSWORD = "Parola-Zq7kXw9"
BASIC = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

# What is planted: in orders, in returns, in the ERP.
CUSTOMER = {
    "name": "Zamfirescu Planta",
    "email": "planta@customer.example",
    "phone_1": "0722911733",
    "iban": "RO49AAAA1B31007593840000",
    "billing_name": "Zamfirescu Facturata",
    "billing_street": "Strada Plantata 17",
    "shipping_contact": "Zamfirescu Livrata",
    "shipping_phone": "+40722911744",
    "shipping_street": "Bulevardul Livrarii 4",
}
RETURNED = {
    "customer_name": "Brustur Retur",
    "customer_phone": "0733811622",
    "pickup_address": "Aleea Returului 9",
    "customer_account_iban": "RO66BACX0000001234567890",
    "customer_account_beneficiary": "Brustur Beneficiar",
    "observations": "sunati la 0744711511, Brustur Observat",
}
ERP = {
    "customer_name": "Dumbrava Erp",
    "customer_email": "dumbrava@erp.example",
}
ERP_PHONE = "0755611400"
ERP_COMPANY = "Dumbrava Comert SRL"

SECRETS = (
    PASSWORD,
    BASIC,
    *(value.removeprefix("+40").removeprefix("0") for value in CUSTOMER.values()),
    *(value.removeprefix("0") for value in RETURNED.values()),
    "744711511",
    "Brustur Observat",
    *ERP.values(),
    ERP_PHONE.removeprefix("0"),
    ERP_COMPANY,
)

# Faults by rounds: the flows meet each of them at everything that they ask. What shuts everything
# out has a round of its own.
ROUNDS: tuple[Sequence[Mapping[str, Any]], ...] = (
    (
        {"kind": "reset", "point": "after_effect", "times": 1, "route": "*/save"},
        {"kind": "cut_body", "times": 3},
    ),
    ({"kind": "garbage_body", "times": 2}, {"kind": "http_500_html", "times": 2}),
    ({"kind": "error_although_applied", "times": 2}, {"kind": "throttle", "times": 2}),
    ({"kind": "forbidden", "times": 1},),
    ({"kind": "address_refused", "times": 1},),
    (),
)

# A worker whose every logger says all it can; a round of flows for each line on its input.
WORKER = """
import asyncio, functools, logging, os, sys, traceback
from pathlib import Path
import httpx
httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)
from flows import cancellation_sync, health_check, invoice_sync, rma_sync
from integrations.logs import configure

configure(logging.DEBUG, Path(os.environ["EMAG_LOG_FILE"]))
raw = logging.FileHandler("raw.log")
raw.setFormatter(logging.Formatter("%(name)s %(message)s"))
logging.getLogger().addHandler(raw)
for name in (None, "emag", "httpx", "httpcore", "psycopg", "asyncio", "prefect"):
    logging.getLogger(name).setLevel(logging.DEBUG)

async def rounds():
    while await asyncio.to_thread(sys.stdin.readline):
        for flow in (cancellation_sync, rma_sync, invoice_sync, health_check):
            try:
                await flow()
            except Exception:
                traceback.print_exc()
        print("done", flush=True)

asyncio.run(rounds())
"""


async def test_nothing_that_is_left_behind_holds_a_secret(
    engine: Engine, database_url: str, market: Market, tmp_path: Path, prefect_home: Path
) -> None:
    """One test, because a Prefect server takes its time to start."""
    market.credentials = {USERNAME: PASSWORD}
    home = prefect_home
    async with serving(market) as base_url, prefect_server(home) as api_url:
        await populate(engine, market, base_url)
        environment = {
            "DATABASE_URL": database_url,
            "EMAG_USERNAME": USERNAME,
            "EMAG_PASSWORD": PASSWORD,
            "EMAG_BASE_URL": base_url,
            "EMAG_QUIET_SECONDS": "0",
            "EMAG_LOG_FILE": str(tmp_path / "app.log"),
            **settings_for(home, api_url),
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "emag,psycopg",
        }
        async with worker(tmp_path, environment) as process:
            for faults in ROUNDS:
                market.faults.clear()
                for fault in faults:
                    market.faults.add(**fault)
                await make_due(engine)
                await one_round(process)
    met = {request.fault for request in market.journal.requests}
    assert {fault["kind"] for faults in ROUNDS for fault in faults} <= met
    places = {
        **files_of(tmp_path),
        "Prefect's tables": tables_of(home / "prefect.db"),
        "our books": await books(engine),
        "bodies in the call record": await bodies(engine),
    }
    assert_worth_searching(places)
    found = {
        (place, secret)
        for place, content in places.items()
        for secret in SECRETS
        if any(form in content for form in forms(secret))
    }
    assert found == set()


def forms(secret: str) -> set[str]:
    """How a secret may stand in a text: as it is, in an address, within something in base64."""
    plain = secret.encode()
    encoded = {
        base64.b64encode(bytes(before) + plain)[
            -(-8 * before // 6) : (before + len(plain)) * 8 // 6
        ]
        for before in range(3)
    }
    return {secret, quote(secret), quote_plus(secret), *(each.decode() for each in encoded)}


async def populate(engine: Engine, market: Market, base_url: str) -> None:
    """Orders, returns and rows of the ERP, all with a customer's data; some of them unusable."""
    host = base_url.removesuffix("/api-3")
    for number in range(480000101, 480000113):
        market.add_order({"id": number, "status": 2 if number % 2 else 4, "customer": CUSTOMER})
        await insert(engine, "cancellation_requests", number, status="pending", reason="other")
        await insert(
            engine,
            "invoices",
            number,
            status="issued",
            invoice_number=f"F{number}",
            pdf_url=host + market.add_document(f"F{number}"),
            company_name=ERP_COMPANY,
        )
    for number in range(480000102, 480000113, 2):
        market.add_return({"order_id": number, "request_status": 2, **RETURNED})
        await insert(engine, "return_requests", number, status="approved", customer_phone=ERP_PHONE)
    market.add_order({"id": 480000120, "status": 2, "customer": CUSTOMER})["products"] = "broken"
    await insert(engine, "cancellation_requests", 480000120, status="pending", reason="other")
    async with transaction(engine) as connection:  # PostgreSQL's error about it shows the whole row
        await connection.execute(
            "ALTER TABLE app.cancellation_requests ADD CONSTRAINT own_rule"
            " CHECK (emag_cancellation_id IS DISTINCT FROM '480000101')"
        )


async def insert(engine: Engine, table: str, order: int, **columns: object) -> None:
    values = {"emag_order_id": str(order), **ERP, **columns}
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    async with transaction(engine) as connection:
        await connection.execute(f"INSERT INTO app.{table} ({names}) VALUES ({marks})", values)


async def make_due(engine: Engine) -> None:
    """Let time pass: nothing rests any more, and eMAG may be asked again."""
    statements = [
        "UPDATE app.emag_rate_limits SET probe_at = clock_timestamp(), next_free_at = '-infinity'",
        "UPDATE app.emag_order_leases SET expires_at = clock_timestamp()",
        *(
            f"UPDATE app.emag_{kind}_integrations SET next_attempt_at = clock_timestamp()"
            for kind in ("return", "cancellation", "invoice")
        ),
    ]
    async with transaction(engine) as connection:
        for statement in statements:
            await connection.execute(statement)


@asynccontextmanager
async def worker(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """The worker; its own output goes into a file beside its logs."""
    with (folder / "output.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WORKER),
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
        )
    try:
        yield process
        assert process.stdin is not None
        process.stdin.close()  # the end of its input is the end of its work
        await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def one_round(process: Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    line = b"?"
    while line and line.strip() != b"done":
        line = await process.stdout.readline()
    assert line, "the worker ended too early; see output.log"


def files_of(folder: Path) -> dict[str, str]:
    """Every file that was written there: logs, and Prefect's database with all that it was told."""
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file()
    }


def tables_of(database: Path) -> str:
    """All that Prefect was told, logs and artifacts with it, as its tables have it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return "\n".join(
            f"{name} {row}"
            for [name] in names
            for row in connection.execute(f"SELECT * FROM {name}")
        )


async def books(engine: Engine) -> str:
    """All of our tables as text, but for the bodies of calls."""
    async with rolled_back(engine) as connection:
        names = (
            await connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace"
                " AND relname LIKE 'emag\\_%' AND relkind IN ('r', 'p') AND NOT relispartition"
            )
        ).scalars()
        rows = [
            (
                await connection.execute(
                    f"SELECT (to_jsonb(t) - 'request' - 'answer')::text FROM app.{name} t"
                )
            ).scalars()
            for name in names
        ]
        return "\n".join(row for table in rows for row in table)


async def bodies(engine: Engine) -> str:
    """The bodies that were kept without a key: redacted."""
    async with rolled_back(engine) as connection:
        kept = await connection.execute(
            "SELECT request, answer FROM app.emag_api_calls WHERE NOT sealed"
        )
        return "\n".join(
            zlib.decompress(body).decode("utf-8", "replace")
            for row in kept
            for body in row
            if body is not None
        )


def assert_worth_searching(places: Mapping[str, str]) -> None:
    """What must be there, or else nothing was found because nothing was said."""
    expected = {
        "raw.log": ("httpcore", "psycopg", "POST http://127.0.0.1"),
        "app.log": ("emag",),
        "output.log": ("EmagUnreachableError",),
        "Prefect's tables": (
            " refused",
            "emag.write_back",
            "artifact ",
            "Executing flow 'cancellation-sync'",
        ),
        "our books": ("480000101", "synced", "refused", "applied"),
        "bodies in the call record": ("480000101", "[redacted]"),
    }
    missing = {
        (place, word)
        for place, words in expected.items()
        for word in words
        if word not in places.get(place, "")
    }
    assert missing == set()
