"""Rows of the mirrors as if eMAG had been read, and the account whose they are."""

from __future__ import annotations

from datetime import datetime

from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine

ROMANIA = "https://marketplace-api.emag.ro/api-3"
BULGARIA = "https://marketplace-api.emag.bg/api-3"

RETURN, ORDER = 52000077, 480000101


def account_at(base_url: str = ROMANIA, name: str = "main") -> Account:
    """An account of the seller's at one of the platforms."""
    return Account(name, "main", "seller@example.com", SecretStr("secret"), base_url)


async def insert(engine: Engine, table: str, **columns: object) -> None:
    """Insert a row; values that begin with `sql:` are expressions."""
    values = {name: value for name, value in columns.items() if not _is_sql(value)}
    marks = [str(value)[4:] if _is_sql(value) else f":{name}" for name, value in columns.items()]
    async with transaction(engine) as connection:
        await connection.execute(
            f"INSERT INTO app.{table} ({', '.join(columns)}) VALUES ({', '.join(marks)})",
            values,
        )


async def mirror_return(engine: Engine, emag_id: int = RETURN, **columns: object) -> None:
    """An open return of account "main" in Romania."""
    await insert(engine, "emag_returns", **{"emag_id": emag_id, **_SEEN, "status": 3, **columns})


async def mirror_order(engine: Engine, order_id: int = ORDER, **columns: object) -> None:
    """A finalized order of account "main" in Romania."""
    await insert(engine, "emag_orders", **{"order_id": order_id, **_SEEN, "status": 4, **columns})


def hours_ago(hours: float) -> str:
    """A moment of the database's past; a negative number lies ahead."""
    return f"sql:statement_timestamp() - make_interval(secs => {hours * 3600})"


async def now(engine: Engine) -> datetime:
    """The database's time."""
    async with rolled_back(engine) as connection:
        found: datetime = (await connection.execute("SELECT clock_timestamp()")).scalar_one()
    return found


async def execute(engine: Engine, statement: str) -> None:
    """Run one statement in a transaction of its own."""
    async with transaction(engine) as connection:
        await connection.execute(statement)


def _is_sql(value: object) -> bool:
    return isinstance(value, str) and value.startswith("sql:")


_SEEN = {
    "platform": "emag-ro",
    "account": "main",
    "type": 3,
    "digest": "d",
    "read_at": "sql:now()",
    "changed_at": "sql:now()",
    "owed": False,
}
