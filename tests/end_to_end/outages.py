"""A shop at an eMAG that can be taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from tests.conftest import PASSWORD, USERNAME
from tests.end_to_end.conftest import Shop
from tests.end_to_end.pace import open_unpaced_shop
from tests.end_to_end.scenes import SCENES

FIRST = 480000101

# Longer than any test: whoever probes has been allowed to.
PROBE = 600.0


@dataclass
class Emag:
    """The market on an address of its own, where it may be served or not."""

    market: Market
    port: int = 0
    open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def up(self) -> str:
        url = await self.open.enter_async_context(serving(self.market, self.port))
        self.port = urlsplit(url).port or 0
        return url

    async def down(self) -> None:
        await self.open.aclose()


@dataclass
class Place:
    """A shop and the eMAG that it depends on."""

    shop: Shop
    emag: Emag
    url: str
    database_url: str

    async def rows(self, kind: Kind, count: int = 3) -> list[int]:
        """Rows that one save each would bring to their end."""
        return [await SCENES[kind](self.shop, FIRST + 100 * ORDER[kind] + n) for n in range(count)]

    async def calls(self) -> int:
        """How many requests have left."""
        [found] = await self.shop.sql(
            "SELECT count(*) AS calls FROM app.emag_api_calls WHERE verdict <> 'unsent'"
        )
        return int(found["calls"])

    async def attempts(self) -> int:
        """How many failures were put down to rows."""
        tables = " UNION ALL ".join(f"SELECT sync_attempts FROM {b.name}" for b in BOOKS.values())
        [found] = await self.shop.sql(
            f"SELECT coalesce(sum(sync_attempts), 0) AS n FROM ({tables}) t"
        )
        return int(found["n"])

    async def probe_is_due(self) -> None:
        """Let the time until the next probe pass."""
        await self.shop.sql("UPDATE app.emag_rate_limits SET probe_at = clock_timestamp()")


ORDER = {kind: place for place, kind in enumerate(Kind)}


@asynccontextmanager
async def open_place(database_url: str, market: Market) -> AsyncIterator[Place]:
    """The shop and its eMAG; nothing illegal may ever have been asked there."""
    emag = Emag(market)
    url = await emag.up()
    account = Account("main", "main", USERNAME, SecretStr(PASSWORD), url)
    async with open_unpaced_shop(database_url, market, account) as shop:
        shop.channel = replace(shop.channel, timings=replace(shop.channel.timings, probe=PROBE))
        yield Place(shop, emag, url, database_url)
    await emag.down()
    assert market.journal.violations() == []
