"""A shop in which no test waits for a request limit, and which is emptied instead of made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from integrations.emag.accounts import Account
from integrations.sandbox.market import Market
from tests.databases import EMPTY
from tests.end_to_end.conftest import QUICK, Shop, open_shop

UNPACED = replace(QUICK, slot_tolerance=1.0, ask_again=0.001)

# Seconds to stay away after an answer that the limit is exceeded.
PAUSE = 0.3

# Within a pause that eMAG has asked for, a slot at once would only make its owner ask for the next:
# all are given the moment behind it.
FREE_AT_ONCE = """
    DO $do$ BEGIN
        IF to_regproc('app.free_at_once') IS NULL THEN
            CREATE FUNCTION app.free_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                NEW.next_free_at := CASE
                    WHEN TG_OP = 'UPDATE' AND NEW.throttled > OLD.throttled
                        THEN NEW.next_free_at + interval '0.4 s'
                    WHEN TG_OP = 'UPDATE'
                         AND OLD.next_free_at > clock_timestamp() + interval '0.15 s'
                        THEN OLD.next_free_at
                    ELSE clock_timestamp() + interval '0.1 s' END;
                RETURN NEW;
            END $$;
            CREATE TRIGGER free_at_once BEFORE INSERT OR UPDATE ON app.emag_rate_limits
            FOR EACH ROW EXECUTE FUNCTION app.free_at_once();
        END IF;
    END $do$
"""


@asynccontextmanager
async def open_unpaced_shop(
    database_url: str, market: Market, account: Account
) -> AsyncIterator[Shop]:
    """A shop whose requests are not spaced: by every slot of the budget, the next one is free."""
    market.switches = replace(market.switches, limits=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("integrations.sync.ask.WINDOW", PAUSE)
        async with open_shop(database_url, market, account) as shop:
            shop.channel = replace(shop.channel, timings=UNPACED)
            await shop.sql(FREE_AT_ONCE)
            yield shop


async def wipe(shop: Shop) -> None:
    """Make the shop as good as new: empty tables, no orders."""
    await shop.sql(EMPTY)
    shop.market.reset()
    shop.reports.clear()
