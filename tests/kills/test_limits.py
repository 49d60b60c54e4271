"""Workers that share a login keep its limits together, whatever breaks and whoever dies."""

from __future__ import annotations

import asyncio
import signal

from integrations.erp.rows import Kind
from tests.kills.conftest import OpenYard, ended
from tests.kills.scenarios import FIRST_ORDER, SCENARIOS

# Requests a second that eMAG lets through, and that all workers together may send: fewer, so that
# a machine which halts for a moment breaks no rule, but two workers who did not share would.
ALLOWED, RATE = 8, 5.0

FAULTS = ("http_500_json", "reset", "throttle", "http_502_html")
OF_EACH_SORT = 2
LIFE_SECONDS = 1.5


async def test_no_request_is_over_the_limit_while_workers_die_and_emag_fails(
    database_url: str, open_yard: OpenYard
) -> None:
    yard = await open_yard(database_url, ["main"])
    yard.rate, shop = RATE, yard.shop
    shop.switch(limits=True, orders_per_second=ALLOWED, other_per_second=ALLOWED)
    for number in range(OF_EACH_SORT * len(SCENARIOS)):
        await SCENARIOS[number % len(SCENARIOS)].add(shop, FIRST_ORDER + number, "main")
    for kind in FAULTS:
        shop.market.faults.add("*", kind=kind, times=1)
    workers = [yard.send(yard.errand(kind)) for kind in (*Kind, Kind.CANCELLATION)]
    await asyncio.sleep(LIFE_SECONDS)
    for worker in workers[1:]:
        worker.kill()
    assert -signal.SIGKILL in [await ended(worker) for worker in workers]
    await yard.finish(tuple(Kind))
    assert await yard.wrong() == []
