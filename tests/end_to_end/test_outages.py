"""What must work stops: eMAG, the credentials, the database, Prefect's server. Nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from flows.prefect_server import free_port, prefect_server, settings_for
from integrations.emag.accounts import Account
from integrations.embedded import postmaster
from integrations.erp.rows import Kind
from integrations.ledger.points import Point, listening
from integrations.ledger.status import INBOX_ATTEMPTS, read_inbox, read_status
from integrations.sandbox.market import Market
from integrations.sync.ask import ATTEMPTS
from migrations.run import upgrade
from tests.conftest import PASSWORD, USERNAME
from tests.end_to_end.conftest import Shop
from tests.end_to_end.outages import FIRST, ORDER, Emag, Place, open_place
from tests.end_to_end.pace import open_unpaced_shop
from tests.end_to_end.scenes import SCENES, cancelled, invoiced
from tests.flows.cli.conftest import Said, run_as_process, run_here
from tests.kills.server import Server, serving_postgres

pytestmark = pytest.mark.unpaced

ROOT = Path(__file__).parents[2]
CANCELLATION, RETURN, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE

# So many requests are under way at once at most, in the shop of these tests.
IN_FLIGHT = 8


@dataclass(frozen=True)
class Outage:
    """A way in which eMAG can't be worked with, and what a person must be told."""

    begins: Callable[[Emag], Any]
    ends: Callable[[Emag], Any]
    says: str


async def _revoke(emag: Emag) -> None:
    emag.market.credentials[USERNAME] = "another"


async def _grant(emag: Emag) -> None:
    emag.market.credentials[USERNAME] = PASSWORD


def _address(refusal: Literal[200, 403], allowed: frozenset[str] | None) -> Callable[[Emag], Any]:
    async def change(emag: Emag) -> None:
        emag.market.switches = replace(
            emag.market.switches, address_refusal=refusal, allowed_addresses=allowed
        )

    return change


async def _break(emag: Emag) -> None:
    emag.market.faults.add(kind="http_503_html", times=None)


async def _mend(emag: Emag) -> None:
    emag.market.faults.clear()


ELSEWHERE = frozenset({"192.0.2.1"})
OUTAGES: Mapping[str, Outage] = {
    "nobody listens": Outage(Emag.down, Emag.up, "no connection to eMAG"),
    "credentials revoked": Outage(_revoke, _grant, "EMAG_PASSWORD"),
    "address refused in HTTP 200": Outage(
        _address(200, ELSEWHERE), _address(200, None), "allow this host's address"
    ),
    "address refused with HTTP 403": Outage(
        _address(403, ELSEWHERE), _address(403, None), "allow this host's address"
    ),
    "errors of eMAG's own": Outage(_break, _mend, "internal error"),
}

each_outage = pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())


@pytest.fixture
async def place(database_url: str, market: Market) -> AsyncIterator[Place]:
    """A shop at an eMAG that can be taken away."""
    async with open_place(database_url, market) as place:
        yield place


class TestEmagCannotBeWorkedWith:
    @each_outage
    async def test_requests_stop_at_once_and_no_attempt_is_burnt(
        self, place: Place, outage: Outage
    ) -> None:
        rows = await place.rows(CANCELLATION, 30)
        await outage.begins(place.emag)
        report = await place.shop.run(CANCELLATION)
        assert report.exit_code == 3
        assert outage.says in (report.unreachable or "")
        assert await place.calls() <= 8  # what was under way, or one read and its repetitions
        assert {await place.shop.state(CANCELLATION, row) for row in rows} == {"pending"}
        assert await place.attempts() == 0

    @each_outage
    async def test_no_other_run_asks_before_a_probe_is_due(
        self, place: Place, outage: Outage
    ) -> None:
        for kind in Kind:
            await place.rows(kind)
        await outage.begins(place.emag)
        for kind in (CANCELLATION, RETURN):  # between them they ask for both of eMAG's limits
            await place.shop.run(kind)
        asked = await place.calls()
        reports = await asyncio.gather(*(place.shop.run(kind) for kind in [*Kind] * 2))
        assert await place.calls() == asked
        assert {report.exit_code for report in reports} == {3}
        assert all(outage.says in (report.unreachable or "") for report in reports)
        assert await place.attempts() == 0

    @each_outage
    async def test_one_worker_at_a_time_probes(self, place: Place, outage: Outage) -> None:
        await place.rows(CANCELLATION, 30)
        await outage.begins(place.emag)
        await place.shop.run(CANCELLATION)
        asked = await place.calls()
        for probes in (1, 2, 3):
            await place.probe_is_due()
            await asyncio.gather(*(place.shop.run(CANCELLATION) for _ in range(4)))
            assert await place.calls() == asked + probes

    @each_outage
    async def test_work_goes_on_by_itself_when_it_is_over(
        self, place: Place, outage: Outage
    ) -> None:
        rows = {kind: await place.rows(kind) for kind in Kind}
        await outage.begins(place.emag)
        for kind in Kind:
            await place.shop.run(kind)
        await outage.ends(place.emag)
        await place.probe_is_due()
        reports = [await place.shop.run(kind) for kind in Kind]
        assert {report.exit_code for report in reports} == {0}
        for kind in Kind:
            assert {await place.shop.state(kind, row) for row in rows[kind]} == {"synced"}
        assert list(place.shop.market.journal.repeated()) == []
        status = await read_status(place.shop.channel.engine)
        assert [budget.down_since for budget in status.budgets] == [None, None]

    @each_outage
    @pytest.mark.parametrize("point", [Point.READ, Point.INTENDED])
    async def test_it_may_begin_in_the_middle_of_a_run(
        self, place: Place, outage: Outage, point: Point
    ) -> None:
        rows = await place.rows(CANCELLATION, 60)
        begins = iter([True])

        async def begin(at: Point) -> None:
            if at is point and next(begins, False):
                await outage.begins(place.emag)

        with listening(begin):
            await place.shop.run(CANCELLATION)
        asked = await place.calls()
        # A save that is lost alone is no outage yet: the next run finds it by what is under way,
        # and by one read about nobody.
        for most in (IN_FLIGHT * ATTEMPTS + 1, 0):
            await place.shop.later()
            assert (await place.shop.run(CANCELLATION)).exit_code == 3
            assert await place.calls() <= asked + most
            asked = await place.calls()
        assert await place.attempts() == 0

        await outage.ends(place.emag)
        await place.probe_is_due()
        await place.shop.later()
        report = await place.shop.run(CANCELLATION)
        assert (report.exit_code, report.unreachable) == (0, None)
        assert {await place.shop.state(CANCELLATION, row) for row in rows} == {"synced"}
        assert len(place.shop.market.journal.effects_of("order.status")) == len(rows)
        assert await place.attempts() == 0

    async def test_rows_whose_saves_were_lost_in_it_are_settled_afterwards(
        self, place: Place
    ) -> None:
        rows = await place.rows(CANCELLATION, 2)
        place.shop.market.faults.add("order/save", "after_effect", "reset", None)
        await place.shop.run(CANCELLATION)
        await place.emag.down()
        await place.shop.later()
        await place.shop.run(CANCELLATION)
        await place.emag.up()
        place.shop.market.faults.clear()
        await place.probe_is_due()
        await place.shop.later()
        await place.shop.run(CANCELLATION)
        assert {await place.shop.state(CANCELLATION, row) for row in rows} == {"synced"}
        assert len(place.shop.market.journal.effects_of("order.status")) == 2
        assert await place.attempts() == 0


class TestWhatAPersonIsTold:
    @each_outage
    async def test_run_status_and_health_say_plainly_what_is_wrong(
        self, place: Place, outage: Outage, tmp_path: Path
    ) -> None:
        await place.rows(CANCELLATION)
        await outage.begins(place.emag)
        ran = await emag_flows(place, tmp_path, "run", "cancellations", "--json")
        assert ran.code == 3
        assert outage.says in json.loads(ran.out)["unreachable"]
        status = await emag_flows(place, tmp_path, "status")
        assert status.code == 0
        assert outage.says in " ".join(status.out.split())
        health = await emag_flows(place, tmp_path, "run", "health", "--json")
        assert health.code == 3
        assert any(
            not each["ok"]
            and each["name"].startswith("eMAG answers")
            and outage.says in each["detail"]
            for each in json.loads(health.out)
        )
        for said in (ran, status, health):
            assert PASSWORD not in said.out + said.err
            assert "Traceback" not in said.err

        await outage.ends(place.emag)
        await place.probe_is_due()
        await place.shop.later()
        assert (await emag_flows(place, tmp_path, "run", "cancellations", "--json")).code == 0

    async def test_a_database_that_is_gone_is_said_in_one_line(
        self, server: Server, place: Place, tmp_path: Path
    ) -> None:
        stop(server)
        gone = replace(place, database_url=server.url)
        for command in (["run", "rma"], ["status"], ["run", "health"]):
            said = await emag_flows(gone, tmp_path, *command)
            assert said.code == 3
            assert "the database cannot be reached" in said.err
            assert "Traceback" not in said.err


def environment(place: Place) -> dict[str, str]:
    """The settings of a seller's host."""
    return {
        "DATABASE_URL": place.database_url,
        "EMAG_USERNAME": USERNAME,
        "EMAG_PASSWORD": PASSWORD,
        "EMAG_BASE_URL": place.url,
        "EMAG_QUIET_SECONDS": "0",
    }


async def emag_flows(place: Place, folder: Path, *arguments: str, **more: str) -> Said:
    """The command line as an operator runs it, in this process unless it is told of Prefect."""
    variables = {**environment(place), **more}
    if any(name.startswith("PREFECT_") for name in more):
        return await run_as_process(arguments, variables, folder)
    return await asyncio.to_thread(run_here, arguments, variables, folder)


async def started(place: Place, folder: Path, *arguments: str, **more: str) -> Process:
    """A process of a seller's host."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment(place), **more},
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
def server(tmp_path: Path) -> Any:
    """A migrated PostgreSQL of this test's own."""
    with serving_postgres(tmp_path / "pg") as server:
        upgrade(server.url)
        yield server


def stop(server: Server) -> None:
    running = postmaster.running(server.home)
    assert running is not None
    postmaster.stop(server.home, running)


@pytest.fixture
async def own(server: Server, market: Market, account: Account) -> AsyncIterator[Shop]:
    """A shop on a database that can be taken away."""
    async with open_unpaced_shop(server.url, market, account) as shop:
        yield shop
    assert market.journal.violations() == []


class TestTheDatabaseGoesAndComesBack:
    @pytest.mark.parametrize(
        "point",
        [Point.FOLDED, Point.CLAIMED, Point.PLANNED, Point.INTENDED, Point.ANSWERED, Point.CARRIED],
    )
    async def test_restarted_in_the_middle_of_a_run(
        self, own: Shop, server: Server, point: Point
    ) -> None:
        rows = [await cancelled(own, FIRST + each) for each in range(3)]
        restarts = iter([True])

        async def restart(at: Point) -> None:
            if at is point and next(restarts, False):
                await asyncio.to_thread(server.restart, signal.SIGQUIT)

        with listening(restart):
            await own.run(CANCELLATION)
        await own.later()
        await own.run(CANCELLATION)
        for row in rows:
            books = await own.books(CANCELLATION, row)
            assert (books["sync_state"], books["sync_attempts"]) == ("synced", 0)
        assert len(own.market.journal.effects_of("order.status")) == 3

    async def test_gone_for_longer_than_a_step_is_repeated(self, own: Shop, server: Server) -> None:
        row = await cancelled(own, FIRST)

        async def take_away(at: Point) -> None:
            if at is Point.INTENDED:
                stop(server)

        with listening(take_away), pytest.raises(Exception, match="connection"):
            await own.run(CANCELLATION)
        server._start()
        await own.later()
        await own.run(CANCELLATION)
        books = await own.books(CANCELLATION, row)
        assert (books["sync_state"], books["sync_attempts"]) == ("synced", 0)
        assert len(own.market.journal.effects_of("order.status")) == 1


class TestPrefectsServerGoes:
    async def test_in_the_middle_of_a_flow_run(
        self, place: Place, tmp_path: Path, prefect_home: Path
    ) -> None:
        rows = await place.rows(CANCELLATION)
        async with AsyncExitStack() as server:
            url = await server.enter_async_context(prefect_server(prefect_home))
            variables = settings_for(prefect_home, url)
            worker = await started(place, tmp_path, "-c", WORKER, **variables)
            assert worker.stdin is not None
            assert worker.stdout is not None
            try:
                assert (await worker.stdout.readline()).strip() == b"planned"
                await server.aclose()
                worker.stdin.write(b"the server is gone\n")
                assert (await worker.stdout.readline()).strip() == b"written back"
            finally:
                worker.kill()  # Prefect itself would go on for minutes to report its events
                await worker.communicate()
        for row in rows:
            books = await place.shop.books(CANCELLATION, row)
            assert (books["sync_state"], books["sync_attempts"]) == ("synced", 0)
        assert len(place.shop.market.journal.effects_of("order.status")) == 3
        assert await place.shop.sql("SELECT * FROM app.emag_order_leases") == []

        more = await cancelled(place.shop, FIRST + 999)
        said = await emag_flows(place, tmp_path, "run", "cancellations", PREFECT_API_URL=url)
        assert (said.code, "does not answer: running directly" in said.err) == (0, True)
        assert await place.shop.state(CANCELLATION, more) == "synced"


# A flow run that waits, once it has a plan, for a line on its input.
WORKER = """
import asyncio, sys
from flows import cancellation_sync
from integrations.ledger.points import Point, listening

async def listen(at):
    if at is Point.PLANNED:
        print("planned", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    elif at is Point.WRITTEN_BACK:
        print("written back", flush=True)

with listening(listen):
    asyncio.run(cancellation_sync())
"""


class TestPoison:
    async def test_a_document_whose_host_is_down_ends_in_the_inbox(
        self, place: Place, tmp_path: Path
    ) -> None:
        shop, port = place.shop, free_port()
        poisoned = await invoiced(shop, FIRST)
        await shop.erp.update(INVOICE, poisoned, pdf_url=f"http://127.0.0.1:{port}/F.pdf")
        neighbours = await place.rows(INVOICE)
        await self.fails_ten_times(place, tmp_path, INVOICE, poisoned, neighbours, "did not answer")

        await shop.erp.update(INVOICE, poisoned, pdf_url=shop.document("F"))
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, poisoned) == "synced"

    @pytest.mark.parametrize(
        ("kind", "route"), [(CANCELLATION, "order/read"), (RETURN, "rma/read")]
    )
    async def test_an_answer_that_nobody_can_read_ends_in_the_inbox(
        self, place: Place, tmp_path: Path, kind: Kind, route: str
    ) -> None:
        shop = place.shop
        poisoned, *neighbours = await place.rows(kind, 12)
        order = FIRST + 100 * ORDER[kind]
        shop.market.faults.add(
            route,
            kind="cut_body",
            times=None,
            order_ids=[order],
            return_ids=shop.market.returns_of.get(order, []),
        )
        await self.fails_ten_times(place, tmp_path, kind, poisoned, neighbours, "not the JSON")

        shop.market.faults.clear()
        await shop.run(kind)
        assert await shop.state(kind, poisoned) == "pending"  # its pause is not over
        said = await emag_flows(place, tmp_path, "replay", f"{kind.value}:{poisoned}")
        assert said.code == 0
        await shop.run(kind)
        books = await shop.books(kind, poisoned)
        assert (books["sync_state"], books["sync_attempts"]) == ("synced", 0)

    async def fails_ten_times(
        self,
        place: Place,
        folder: Path,
        kind: Kind,
        poisoned: int,
        neighbours: list[int],
        reason: str,
    ) -> None:
        """Pauses grow, neighbours are not held up, and the tenth failure calls for a person."""
        shop, journal = place.shop, place.shop.market.journal
        pauses: list[float] = []
        for failure in range(1, INBOX_ATTEMPTS + 1):
            assert await inbox(shop) == {}
            late = await SCENES[kind](shop, FIRST + 1000 + failure)
            report = await shop.run(kind)
            assert report.exit_code == 0
            assert {await shop.state(kind, row) for row in (*neighbours, late)} == {"synced"}
            books = await shop.books(kind, poisoned)
            assert (books["sync_state"], books["sync_attempts"]) == ("pending", failure)
            pauses.append(await shop.rests(kind, poisoned))
            asked = len(journal.requests)
            await shop.run(kind)
            vain = {each.route for each in journal.requests[asked:]}
            assert vain <= {"customer-invoice/read"}  # no row is asked about
            if failure < INBOX_ATTEMPTS:
                await shop.later()
        growing = range(8)  # the longest pause is reached then
        assert all(pauses[each] < pauses[each + 2] for each in growing[:-2])
        assert max(pauses) <= shop.channel.timings.backoff_most * 1.25
        assert reason in (await inbox(shop))[poisoned]
        said = await emag_flows(place, folder, "inbox", "--json")
        [entry] = json.loads(said.out)
        assert (said.code, entry["kind"], entry["row_id"]) == (0, kind.value, poisoned)
        assert reason in entry["reason"]


async def inbox(shop: Shop) -> dict[int, str]:
    """What waits for a person, and why."""
    return {entry.row_id: entry.reason for entry in await read_inbox(shop.channel.engine)}
