"""An eMAG that takes every request and answers none: few are sent to find that out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest

from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.ledger.engine import Engine
from integrations.ledger.points import Point, listening
from integrations.sandbox.market import Market
from tests.end_to_end.conftest import CONNECTING
from tests.end_to_end.outages import FIRST, ORDER, Place, open_place

pytestmark = pytest.mark.unpaced

CANCELLATION, RETURN, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
LATE = "eMAG did not answer in time"

# Seconds for which an answer is waited for.
DEADLINE = 0.5


@pytest.fixture
async def place(database_url: str, market: Market) -> AsyncIterator[Place]:
    """A shop that soon loses patience with its eMAG."""
    async with open_place(database_url, market) as place:
        account = place.shop.channel.account
        async with open_client(account, deadline=DEADLINE, connecting=CONNECTING) as hasty:
            place.shop.channel = replace(place.shop.channel, client=hasty)
            yield place


def hang(place: Place, route: str = "*") -> None:
    place.shop.market.faults.add(route, kind="timeout", times=None)


class TestRequestsStop:
    @pytest.mark.parametrize("kind", Kind)
    async def test_after_what_was_under_way_and_one_more(self, place: Place, kind: Kind) -> None:
        rows = await place.rows(kind, 6)
        hang(place)
        report = await place.shop.run(kind)
        assert report.exit_code == 3
        assert LATE in (report.unreachable or "")
        assert await place.calls() <= len(rows) + 1
        assert await place.attempts() == 0

    async def test_for_every_process_at_once(self, place: Place) -> None:
        for kind in Kind:
            await place.rows(kind)
        hang(place)
        for kind in (CANCELLATION, RETURN):
            await place.shop.run(kind)
        asked = await place.calls()
        reports = await asyncio.gather(*(place.shop.run(kind) for kind in [*Kind] * 2))
        assert {report.exit_code for report in reports} == {3}
        assert await place.calls() == asked

    async def test_in_the_middle_of_a_run(self, place: Place) -> None:
        rows = await place.rows(CANCELLATION)

        async def begin(at: Point) -> None:
            if at is Point.INTENDED:
                hang(place)

        with listening(begin):
            await place.shop.run(CANCELLATION)  # its save is in doubt
        asked = await place.calls()
        await place.shop.later()
        assert (await place.shop.run(CANCELLATION)).exit_code == 3
        assert await place.calls() <= asked + len(rows) + 1
        assert await place.attempts() == 0


class TestOneProbeAtATime:
    async def test_though_it_takes_longer_than_the_pause_between_two(self, place: Place) -> None:
        channel = place.shop.channel
        channel = replace(channel, timings=replace(channel.timings, probe=0.0))
        engines = channel.engine, Engine(place.database_url)  # as of two processes
        shops = [replace(place.shop, channel=replace(channel, engine=each)) for each in engines]
        hang(place)
        await place.rows(CANCELLATION)
        await shops[0].run(CANCELLATION)
        asked = await place.calls()
        for _ in range(2):
            await asyncio.gather(*(shop.run(CANCELLATION) for shop in shops * 3))
        engines[1].close()
        probes = await place.shop.sql(
            "SELECT sent_at, closed_at FROM app.emag_api_calls ORDER BY sent_at OFFSET :asked",
            asked=asked,
        )
        assert len(probes) >= 2
        assert all(later["sent_at"] > first["closed_at"] for first, later in pairwise(probes))


class TestAfterwards:
    async def test_work_goes_on_by_itself(self, place: Place) -> None:
        rows = {kind: await place.rows(kind) for kind in Kind}
        hang(place)
        for kind in Kind:
            await place.shop.run(kind)
        place.shop.market.faults.clear()
        await place.probe_is_due()
        assert {(await place.shop.run(kind)).exit_code for kind in Kind} == {0}
        for kind in Kind:
            assert {await place.shop.state(kind, row) for row in rows[kind]} == {"synced"}


class TestOneRowAlone:
    @pytest.mark.parametrize(
        ("kind", "route"), [(CANCELLATION, "order/read"), (RETURN, "rma/read")]
    )
    async def test_is_blamed_after_two_reads_and_holds_up_nobody(
        self, place: Place, kind: Kind, route: str
    ) -> None:
        slow, *others = await place.rows(kind, 4)
        order = FIRST + 100 * ORDER[kind]
        place.shop.market.faults.add(
            route,
            kind="timeout",
            times=None,
            order_ids=[order],
            return_ids=place.shop.market.returns_of.get(order, []),
        )
        report = await place.shop.run(kind)
        assert (report.exit_code, report.unreachable) == (0, None)
        assert {await place.shop.state(kind, row) for row in others} == {"synced"}
        assert (await place.shop.books(kind, slow))["sync_attempts"] == 1
        unanswered = [each for each in place.shop.market.journal.requests if each.fault]
        assert len(unanswered) == 2
