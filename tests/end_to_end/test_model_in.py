"""Random days at eMAG, with faults and workers that die: at the end the ERP holds all of it.

Hypothesis plays the customers, the couriers, eMAG, the seller's people in eMAG's panel, the ERP's
clerks, the network and the hosts. After every case the faults are mended, time passes, the syncs
run both ways, and the ERP must say what eMAG says, row by row; nothing that came in was sent back.

EMAG_MODEL_IN_STEPS lets it play longer, EMAG_MODEL_SEED otherwise; a failure names both.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
)

from flows.parameters import ReconcileParameters
from flows.reconciliation import reconcile_channel
from integrations.erp.rows import Kind
from integrations.ledger.engine import Engine
from integrations.sandbox.fault_kinds import KINDS, READS_OF_RECORDS, ROUTES_OF, SAVES
from integrations.sandbox.market import Market
from integrations.sandbox.shelf import Shelf
from integrations.sync.channel import Tally
from tests.end_to_end.playing import World, play, step
from tests.statements import told_of_commits, told_of_statements

pytestmark = pytest.mark.unpaced

STEPS = int(os.environ.get("EMAG_MODEL_IN_STEPS", "60"))
STEPS_OF_A_CASE = 12

UNTIL_QUIET = 8
PRODUCTS = ("1001", "1002", "1003")

CLOSED = (0, 5)
FULFILLED_BY_EMAG = 2

STATUS_OF_A_RETURN = {
    1: "pending",
    2: "pending",
    3: "approved",
    4: "rejected",
    5: "cancelled",
    6: "processing",
    7: "completed",
}
DECISIONS = {
    Kind.RMA: ("approved", "processing", "completed", "rejected", "cancelled"),
    Kind.CANCELLATION: ("approved", "rejected"),
}
TABLES = {
    Kind.RMA: ("return_requests", "emag_return_id"),
    Kind.CANCELLATION: ("cancellation_requests", "emag_order_id"),
}

T = TypeVar("T")
Raw = dict[str, Any]
Deed = Callable[[Market, int, int], object]


def _product(nth: int) -> str:
    return PRODUCTS[nth % len(PRODUCTS)]


WITH_ORDERS: Mapping[str, Deed] = {
    "asks to cancel": lambda market, order, _: market.customer_asks_to_cancel(order),
    "opens a return": lambda market, order, nth: market.customer_opens_return(
        order,
        request_status=(1, 2, 2, 3, 6)[nth % 5],
        **({"products": [{"product_id": _product(nth), "quantity": 1}]} if nth % 2 else {}),
    ),
    "acknowledges": lambda market, order, _: market.panel_acknowledges(order),
    "ships": lambda market, order, _: market.finalize(order),
    "cancels": lambda market, order, _: market.panel_cancels(order),
    "restores": lambda market, order, _: market.panel_restores(order),
    "removes": lambda market, order, nth: market.panel_removes(order, _product(nth), 1),
    "stornoes": lambda market, order, nth: market.panel_stornoes(order, _product(nth), 1),
    "takes all back": lambda market, order, _: market.panel_returns_order(order),
    "pays": lambda market, order, _: market.customer_pays(order),
    "pays back": lambda market, order, nth: market.emag_refunds_order(
        order, Decimal(5) if nth % 2 else None
    ),
}
WITH_RETURNS: Mapping[str, Deed] = {
    "picks up": lambda market, rma, _: market.courier_picks_up_return(rma),
    "delivers": lambda market, rma, _: market.courier_delivers_return(rma),
    "is kept": lambda market, rma, _: market.customer_cancels_return(rma),
    "closes": lambda market, rma, _: market.emag_closes_return(rma),
    "moves": lambda market, rma, nth: market.panel_moves_return(rma, 3 + nth % 5),
    "refunds": lambda market, rma, nth: market.emag_refunds_return(
        rma, Decimal(7) if nth % 2 else None
    ),
}
DEEDS = {**WITH_ORDERS, **WITH_RETURNS}

FAULTS = [(kind, point) for kind, points in KINDS.items() for point in points if kind != "stale"]
ROUTES = ("*", *READS_OF_RECORDS, "order/acknowledge", *SAVES)

index = st.integers(0, 11)
placed_orders = st.fixed_dictionaries(
    {
        "status": st.sampled_from([0, 1, 2, 2, 3, 4, 4, 4, 5]),
        "type": st.sampled_from([3, 3, 3, 2]),
        "payment_mode_id": st.sampled_from([1, 3]),
        "pieces": st.lists(st.integers(1, 3), min_size=1, max_size=3),
        "invoiced": st.booleans(),
    }
)
deeds = st.lists(st.tuples(st.sampled_from(list(DEEDS)), index, index), min_size=1, max_size=5)
kinds = st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=3)


class Days(World):
    """Some days of a seller at eMAG who decides about customers' wishes; `story` tells them."""

    def __init__(self) -> None:
        super().__init__()
        self.shop.channel = replace(self.shop.channel, require_approval=True)
        self.first: dict[int, Counter[str]] = {}
        self.invoices: dict[int, int] = {}
        self.decided: set[int] = set()
        self.story: list[str] = []

    # What others do at eMAG

    @initialize(placed=st.lists(placed_orders, min_size=3, max_size=6))
    def business_begins(self, placed: list[Raw]) -> None:
        self.customers_order(placed)

    @step(placed=st.lists(placed_orders, max_size=2), done=deeds)
    def others_act(self, placed: list[Raw], done: list[tuple[str, int, int]]) -> None:
        self.customers_order(placed)
        for what, nth, how in done:
            self.act(what, nth, how)

    def act(self, what: str, nth: int, how: int) -> None:
        """Do something with the first order or return, from the nth on, that allows it."""
        about = list(self.market.orders if what in WITH_ORDERS else self.market.returns)
        start = nth % max(1, len(about))
        for one in about[start:] + about[:start]:
            with suppress(ValueError):  # too late for that, or not there yet
                DEEDS[what](self.market, one, how)
                self.story.append(f"{what} {one} ({how})")
                return

    def customers_order(self, placed: Iterable[Raw]) -> None:
        for each in placed:
            now = datetime.now(UTC)
            pieces = dict(zip(PRODUCTS, each["pieces"], strict=False))
            order = self.market.add_order(
                {
                    **{name: each[name] for name in ("status", "type", "payment_mode_id")},
                    "products": [
                        {"product_id": product, "quantity": count}
                        for product, count in pieces.items()
                    ],
                    **dict.fromkeys(("date", "created", "modified"), now),
                    **({"finalization_date": now} if each["status"] in (4, 5) else {}),
                }
            )
            self.first[order["id"]] = Counter(pieces)
            self.story.append(f"order {order['id']} at {each['status']} of {pieces}")
            if each["invoiced"]:
                invoice = self.shop.erp.add(Kind.INVOICE, order["id"], total_amount=1)
                self.invoices[order["id"]] = self.do(invoice)

    # What the ERP's clerks do

    @step(kind=st.sampled_from([Kind.RMA, Kind.CANCELLATION]), nth=index, word=index)
    def the_erp_decides(self, kind: Kind, nth: int, word: int) -> None:
        table, named = TABLES[kind]
        only = "" if kind is Kind.RMA else " WHERE status = 'pending'"
        rows = self.do(
            self.shop.sql(f"SELECT id, {named}::bigint AS about FROM app.{table}{only} ORDER BY id")
        )
        if rows:
            row = rows[nth % len(rows)]
            decision = DECISIONS[kind][word % len(DECISIONS[kind])]
            self.do(self.shop.erp.update(kind, row["id"], status=decision))
            self.decided.add(row["about"])
            self.story.append(f"the ERP: {kind.value}:{row['id']} is {decision}")

    @step(nth=index)
    def the_erp_cancels_an_order(self, nth: int) -> None:
        orders = list(self.first)
        order = orders[nth % len(orders)]
        self.do(self.shop.erp.add(Kind.CANCELLATION, order, status="approved"))
        self.decided.add(order)
        self.story.append(f"the ERP cancels {order}")

    # The network and the hosts

    @step(chosen=kinds, together=st.booleans())
    def syncs_run(self, chosen: list[Kind], together: bool) -> None:
        self.do(self._run(chosen, together=together))

    @step(
        chosen=kinds,
        fault=st.sampled_from(FAULTS),
        route=st.sampled_from(ROUTES),
        times=st.sampled_from([1, 1, 2, 3, None]),
    )
    def syncs_run_while_something_breaks(
        self, chosen: list[Kind], fault: tuple[str, Any], route: str, times: int | None
    ) -> None:
        kind, point = fault
        routes = ROUTES_OF.get(kind, (route,))
        if route == "*" or route in routes:
            if kind == "timeout":
                times = 1  # each costs the deadline
            self.market.faults.add(route, point, kind, times, seconds=0.005)
            self.story.append(f"{kind} {point} at {route}, {times or 'many'} times")
        self.do(self._run(chosen))

    @step()
    def all_is_mended(self) -> None:
        self.market.faults.clear()
        self.do(self._time_passes())
        self.do(self._run(Kind))

    @step(kind=st.sampled_from(list(Kind)), statements=st.integers(1, 120))
    def a_worker_dies(self, kind: Kind, statements: int) -> None:
        self.story.append(f"{kind.value} dies after {statements} statements")
        self.do(self._killed(kind, statements))

    async def _run(self, chosen: Iterable[Kind], *, together: bool = False) -> None:
        self.story.append(f"runs {[each.value for each in chosen]}")
        if together:
            await asyncio.gather(*(self.shop.run_both(kind) for kind in chosen))
        else:
            for kind in chosen:
                await self.shop.run_both(kind)

    async def _killed(self, kind: Kind, statements: int) -> None:
        """A run from whose n-th statement on the database hears nothing any more."""
        engine, left = Engine(self.url), statements

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise ConnectionAbortedError("this worker was killed")

        with (
            told_of_statements(count),
            told_of_commits(count),
            suppress(ConnectionAbortedError),
        ):
            await self.shop.run_both(kind, engine=engine)
        engine.close()

    async def _time_passes(self) -> None:
        await self.shop.later()
        for statement in _TIME_PASSES:
            await self.shop.sql(statement)

    # How it must end

    def teardown(self) -> None:
        try:
            self.market.faults.clear()
            self.do(self._run_until_quiet())
            self.do(self._check())
        except BaseException as failure:
            failure.add_note("\n".join(self.story))
            raise
        finally:
            self.end()

    async def _run_until_quiet(self) -> None:
        before: object = None
        for _ in range(UNTIL_QUIET):
            await self._time_passes()
            await self._run(Kind)
            now = (self.market.journal.changes, await self._shown())
            if now == before:
                return
            before = now

    async def _shown(self) -> Sequence[Raw]:
        return await self.shop.sql(
            "SELECT 'r', id, status FROM app.return_requests UNION ALL"
            " SELECT 'c', id, status FROM app.cancellation_requests UNION ALL"
            " SELECT 'i', id, status FROM app.invoices UNION ALL"
            # An invoice that was queued within the margin of a read owes its order to the next one.
            " SELECT 'o', order_id, owed::text FROM app.emag_orders ORDER BY 1, 2"
        )

    async def _check(self) -> None:
        journal = self.market.journal
        assert journal.violations() == []
        assert list(journal.repeated()) == []
        echoed = [each for each in journal.effects_of(by="seller") if each.id not in self.decided]
        assert echoed == [], "what came from eMAG was sent back"
        assert await self.shop.sql("SELECT * FROM app.emag_changes") == []
        for table, number in (("emag_returns", "emag_id"), ("emag_orders", "order_id")):
            owed = await self.shop.sql(f"SELECT * FROM app.{table} WHERE owed")
            # What the ERP decided and eMAG does not take yet stands, and its news waits.
            assert [row for row in owed if row[number] not in self.decided] == [], str(owed)
        await self._check_returns()
        await self._check_orders()
        await self._check_invoices()
        await self._check_certificate()

    async def _check_returns(self) -> None:
        rows = await self.shop.sql("SELECT * FROM app.return_requests")
        by_number = {row["emag_return_id"]: row for row in rows}
        assert len(by_number) == len(rows)
        assert set(by_number) == {str(number) for number in self.market.returns}
        for rma in self._all(self.market.returns):
            row = by_number[str(rma["emag_id"])]
            if rma["emag_id"] not in self.decided:
                assert row["status"] == STATUS_OF_A_RETURN[rma["request_status"]], row
            paid = _paid_back(rma)
            assert row["refund_processed"] == (paid > 0), row
            assert not paid or row["refund_amount"] == paid, row

    async def _check_orders(self) -> None:
        returned = {int(rma["order_id"]) for rma in self._all(self.market.returns)}
        for order in self._all(self.market.orders):
            number = order["id"]
            rows = await self.shop.sql(_CANCELLATIONS, id=str(number))
            told = f"order {number} at {order['status']}: {rows}"
            if number in self.decided:
                continue
            completed = [row for row in rows if row["status"] == "completed"]
            if order["status"] == 0:
                assert completed, told
            if number in returned:
                continue
            gone = sum((self.first[number] - _there(order)).values())
            assert sum(row["pieces"] for row in completed) == gone, told
            wishes = [row for row in rows if row["is_wish"] or row["status"] == "pending"]
            assert len(wishes) <= 1, told
            if order["cancellation_request"] and order["status"] in (2, 3):
                assert len(wishes) == (order["type"] != FULFILLED_BY_EMAG), told

    def _all(self, shelf: Shelf) -> Iterator[Raw]:
        return (record for number in shelf if (record := shelf.get(number)) is not None)

    async def _check_invoices(self) -> None:
        for number, invoice in self.invoices.items():
            order = self.market.orders.get(number)
            row = await self.shop.erp.row(Kind.INVOICE, invoice)
            assert order is not None
            if order["payment_status"] == 1:
                assert row["status"] in ("paid", "refunded"), row

    async def _check_certificate(self) -> None:
        channel = replace(self.shop.channel, tally=Tally(), background=True)
        parameters = ReconcileParameters(recount_minutes=0)
        certificate = await reconcile_channel(channel, parameters, lambda _: None)
        for listed in (certificate.repaired, certificate.unexplained, certificate.unsure):
            assert listed.shown == []
        assert certificate.clean


_CANCELLATIONS = """
    SELECT c.id, c.status, c.cancellation_number, c.reason_description LIKE '%asked to%' AS is_wish,
           coalesce((SELECT sum(quantity) FROM app.cancellation_items i
                      WHERE i.cancellation_request_id = c.id), 0) AS pieces
      FROM app.cancellation_requests c WHERE c.emag_order_id = :id ORDER BY c.id
"""

_TIME_PASSES = (
    (
        "UPDATE app.emag_api_calls SET dead_at = dead_at - interval '1 hour',"
        " sent_at = sent_at - interval '9 s', closed_at = closed_at - interval '9 s'"
    ),
    *(
        f"UPDATE app.emag_{kind}_integrations SET last_synced_at = last_synced_at - interval '9 s'"
        for kind in ("return", "cancellation", "invoice")
    ),
    (
        "UPDATE app.emag_returns SET next_at = clock_timestamp(),"
        " refund_at = CASE WHEN refund_at IS NOT NULL THEN clock_timestamp() END"
    ),
    "UPDATE app.emag_orders SET next_at = clock_timestamp()",
)


def _there(order: Raw) -> Counter[str]:
    """The pieces that an order still holds."""
    if order["status"] in CLOSED:
        return Counter()
    return Counter(
        {str(line["product_id"]): line["quantity"] for line in order["products"] if line["status"]}
    )


def _paid_back(rma: Raw) -> Decimal:
    return sum(
        (
            Decimal(request["amount"])
            for entry in rma["status_history"]
            for request in entry["requests"]
            if request["refund_status"] == "refunded"
        ),
        Decimal(0),
    )


@pytest.mark.long
def test_whatever_happens_at_emag_the_erp_holds_it(database_url: str) -> None:
    class Lived(Days):
        url = database_url

    play(
        Lived,
        STEPS,
        STEPS_OF_A_CASE,
        share=0,
        reproduce=f"EMAG_MODEL_IN_STEPS={STEPS} reproduce this in {Path(__file__).name}",
    )
