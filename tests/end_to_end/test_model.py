"""Random lives of orders, returns and invoices, with faults and workers that die: all ends well.

Hypothesis plays the ERP, the customers, the couriers, the network and the hosts. After every case
the faults are mended, time passes, the syncs run, and every row must be where lives.py says that
it may be, with each effect at eMAG once, and nothing illegal asked but what a stale read excuses.
No request waits for a limit here: that several workers keep them together, whatever breaks, is
shown by tests/kills/test_limits.py.

EMAG_MODEL_STEPS lets it play longer, EMAG_MODEL_SEED otherwise; a failure names both.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
)

from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.engine import Driver, Engine
from integrations.ledger.points import Point, listening
from integrations.sandbox.documents import DocumentKind
from integrations.sandbox.fault_kinds import KINDS, ROUTES_OF, SAVES
from integrations.sandbox.fault_kinds import Point as FaultPoint
from integrations.sandbox.journal import Violation
from tests.end_to_end.conftest import PRICES
from tests.end_to_end.lives import WHOLE, Life, Lives
from tests.end_to_end.playing import World, play, step

pytestmark = pytest.mark.unpaced

STEPS = int(os.environ.get("EMAG_MODEL_STEPS", "2000"))
STEPS_OF_A_CASE = 25

# Each share is a test of its own, so that several run at once and none takes long.
SHARES = 8

UNTIL_QUIET = 8
PRODUCTS = ("1001", "1002", "1003")
UNKNOWN_ORDER = 480999999
NAMED = {"half_then_error", "one_refused"}
READS = ("order/read", "rma/read", "customer-invoice/read")
ROUTES = ("*", *READS, "order/acknowledge", *SAVES)

KINDS_OF_ROWS = st.sampled_from(list(Kind))
WORDS = {
    Kind.RMA: ("approved", "processing", "completed", "rejected", "cancelled", "pending", "lost"),
    Kind.CANCELLATION: ("pending", "approved", "processing", "completed", "rejected", "cancelled"),
    Kind.INVOICE: ("issued", "draft", "paid", "overdue", "cancelled", "refunded"),
}
WORLD = (
    "finalize",
    "customer_asks_to_cancel",
    "courier_picks_up_return",
    "courier_delivers_return",
)
FAULTS = [(kind, point) for kind, points in KINDS.items() for point in points]

T = TypeVar("T")
Raw = dict[str, Any]

index = st.integers(0, 11)
some_items = st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 3), max_size=2)
reasons = st.sampled_from(["other", "other", "other", "inventory_unavailable", "moonlight"])
refunds = st.sampled_from(["pending", "processing"])
documents = st.sampled_from(["pdf", "pdf", "pdf", "pdf", "html", "missing", None])
papers = st.sampled_from(["sales_invoice", "credit_note", "corrected_invoice", "proforma_invoice"])
placed_orders = st.fixed_dictionaries(
    {
        "status": st.sampled_from([1, 2, 2, 3, 4, 4, 4, 4, 5]),
        "type": st.sampled_from([3, 3, 3, 3, 3, 2]),
        "payment_mode_id": st.sampled_from([1, 1, 3]),
        "pieces": st.lists(st.integers(1, 3), min_size=1, max_size=3),
        "hours_ago": st.sampled_from([1, 1, 24, 60, 24 * 40]),
    }
)
opened_returns = st.tuples(
    index, st.sampled_from([None, None, *PRODUCTS]), st.sampled_from([1, 2, 2, 2, 3, 6])
)
ROWS: Mapping[Kind, st.SearchStrategy[Raw]] = {
    Kind.CANCELLATION: st.fixed_dictionaries(
        {
            "status": st.sampled_from(["pending", "pending", "approved", "approved", "rejected"]),
            "reason": reasons,
            "refund": refunds,
            "items": some_items,
        }
    ),
    Kind.RMA: st.fixed_dictionaries(
        {"status": st.sampled_from(WORDS[Kind.RMA]), "items": some_items}
    ),
    Kind.INVOICE: st.fixed_dictionaries(
        {
            "status": st.sampled_from(["issued", "issued", "paid", "draft"]),
            "type": papers,
            "document": documents,
        }
    ),
}
written = st.lists(
    st.sampled_from(list(Kind)).flatmap(
        lambda kind: st.tuples(st.just(kind), index, st.integers(0, 14), ROWS[kind])
    ),
    max_size=4,
)
changes = st.lists(
    st.tuples(
        st.sampled_from(
            ["decides", "decides", "corrects", "corrects", "corrects", "moves", "deletes"]
        ),
        index,
        index,
        st.tuples(reasons, refunds, documents, some_items),
    ),
    min_size=1,
    max_size=3,
)


async def _abandon(run: asyncio.Future[Any], death: asyncio.Future[Any]) -> None:
    """Let go of a run that ended by itself, or that was struck and will never end."""
    if run.done():
        run.result()
    for task in (run, death):
        task.cancel()
    await asyncio.gather(run, death, return_exceptions=True)


class Seller(World):
    """A seller's world from its first order to its last."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.orders: list[int] = []
        self.rmas: list[int] = []
        self.lives = Lives(self.market)

    # Customers, couriers, eMAG

    @initialize(
        placed=st.lists(placed_orders, min_size=3, max_size=6),
        opened=st.lists(opened_returns, max_size=4),
    )
    def business_begins(self, placed: list[Raw], opened: list[tuple[int, Any, int]]) -> None:
        self.business_goes_on(placed, opened)

    def business_goes_on(self, placed: list[Raw], opened: list[tuple[int, Any, int]]) -> None:
        for order in placed:
            self.place(order)
        for each in opened:
            self.open_return(*each)

    @step(
        placed=st.lists(placed_orders, max_size=2),
        opened=st.lists(opened_returns, max_size=2),
        moves=st.lists(st.tuples(index, st.sampled_from(WORLD)), max_size=3),
    )
    def the_world_moves_on(
        self,
        placed: list[Raw],
        opened: list[tuple[int, Any, int]],
        moves: list[tuple[int, str]],
    ) -> None:
        self.business_goes_on(placed, opened)
        for nth, what in moves:
            about = self.rmas if what.startswith("courier") else self.orders
            with suppress(ValueError, IndexError):  # too late for that, or not there yet
                getattr(self.market, what)(about[nth % max(1, len(about))])
        self.lives.look()

    @step(nth=index, category=st.sampled_from(["normal", "storno"]))
    def emag_issues_an_invoice(self, nth: int, category: str) -> None:
        self.market.add_issued_invoice({"category": category, "order_id": self.order(nth)})
        self.lives.look()

    def place(self, placed: Raw) -> None:
        then = datetime.now(UTC) - timedelta(hours=placed["hours_ago"])
        pieces = dict(zip(PRODUCTS, placed["pieces"], strict=False))
        finalized = {"finalization_date": then} if placed["status"] in (4, 5) else {}
        order = self.market.add_order(
            {
                "status": placed["status"],
                "type": placed["type"],
                "payment_mode_id": placed["payment_mode_id"],
                "products": [
                    {"product_id": product, "quantity": each} for product, each in pieces.items()
                ],
                **dict.fromkeys(("date", "created", "modified"), then),
                **finalized,
            }
        )
        self.orders.append(order["id"])
        self.lives.first[order["id"]] = pieces

    def open_return(self, nth: int, product: str | None, status: int) -> None:
        lines = {"products": [{"product_id": product, "quantity": 1}]} if product else {}
        with suppress(ValueError):  # the order is not finalized
            rma = self.market.customer_opens_return(self.order(nth), request_status=status, **lines)
            self.rmas.append(rma["emag_id"])
        self.lives.look()

    def order(self, nth: int) -> int:
        return self.orders[nth % len(self.orders)]

    # The ERP

    @step(changes=changes)
    def the_erp_changes_its_mind(self, changes: list[tuple[str, int, int, Any]]) -> None:
        for what, nth, other, corrections in changes:
            for life in self.life(nth):
                self.change(life, what, other, *corrections)

    def change(
        self,
        life: Life,
        what: str,
        other: int,
        reason: str,
        refund: str,
        document: DocumentKind | None,
        pieces: dict[str, int],
    ) -> None:
        match what, life.kind:
            case "decides", _:
                self.edit(life, status=WORDS[life.kind][other % len(WORDS[life.kind])])
            case "moves", _:
                self.edit(life, order=self.order(other))
            case "deletes", _:
                self.delete(life)
            case _, Kind.CANCELLATION:
                self.edit(life, reason=reason, refund=refund, items=pieces)
            case _, Kind.RMA:
                self.edit(life, items=pieces)
            case _:
                served = replace(life)
                self.serve(served, document)
                self.edit(life, url=served.url, served=served.served)

    def write(self, rows: list[tuple[Kind, int, int, Raw]]) -> None:
        """Let the ERP write rows about orders, one in fifteen about none."""
        for kind, nth, odd, row in rows:
            order = {13: None, 14: UNKNOWN_ORDER}.get(odd, self.order(nth))
            wanted = {name: value for name, value in row.items() if name != "document"}
            life = Life(kind, 0, order, **wanted)
            if kind is Kind.INVOICE:
                self.serve(life, row["document"])
            self.add(life)

    def delete(self, life: Life) -> None:
        if not life.deleted:
            self.do(self.shop.erp.delete(life.kind, life.id))
            life.deleted, life.wished_before = True, life.wished_before or life.carried
            self.lives.look()

    def life(self, nth: int) -> list[Life]:
        """The row that is meant, if there is one."""
        lives = self.lives.all
        return [lives[-1 - nth % len(lives)]] if lives else []

    def add(self, life: Life) -> None:
        life.id = self.do(self._insert(life))
        self.lives.all.append(life)
        self.lives.look()

    async def _insert(self, life: Life) -> int:
        self.number += 1
        columns: dict[str, Any] = {"status": life.status}
        if life.kind is Kind.CANCELLATION:
            columns |= {"reason": life.reason, "refund_status": life.refund}
        if life.kind is Kind.INVOICE:
            life.number = f"F{self.number:04}"
            columns |= {
                "invoice_number": life.number,
                "invoice_type": life.type,
                "pdf_url": life.url,
            }
        order = "none of eMAG's" if life.order is None else life.order
        return await self.shop.erp.add(life.kind, order, *_items(life), **columns)

    def serve(self, life: Life, document: DocumentKind | None) -> None:
        """Put a new document, or none, at the invoice's address."""
        self.number += 1
        life.url = self.shop.document(f"D{self.number}", document) if document else None
        life.served = document == "pdf"

    def edit(self, life: Life, **fields: Any) -> None:
        """Let the ERP change a row, unless that changes nothing."""
        if life.deleted or all(getattr(life, name) == value for name, value in fields.items()):
            return
        self.do(self._edit(life, fields))
        for name, value in fields.items():
            setattr(life, name, value)
        life.changed()
        self.lives.look()

    async def _edit(self, life: Life, fields: dict[str, Any]) -> None:
        names = {"refund": "refund_status", "url": "pdf_url"}
        columns = {
            names.get(name, name): value
            for name, value in fields.items()
            if name in ("status", "reason", "refund", "url")
        }
        if "order" in fields:
            columns["emag_order_id"] = str(fields["order"])
            if life.kind is Kind.RMA:
                columns["emag_return_id"] = None
        if columns:
            await self.shop.erp.update(life.kind, life.id, **columns)
        if "items" in fields:
            await self._replace_items(
                life, Life(life.kind, life.id, None, "", items=fields["items"])
            )

    async def _replace_items(self, life: Life, wanted: Life) -> None:
        table = ERP_TABLES[life.kind]
        await self.shop.sql(f"DELETE FROM app.{table.items} WHERE {table.parent} = :id", id=life.id)
        for item in _items(wanted):
            await self.shop.erp.insert(
                str(table.items), **{str(table.parent): life.id, **PRICES, **item}
            )

    # The network and the hosts

    @step(rows=written, kinds=st.lists(KINDS_OF_ROWS, min_size=1, max_size=3), later=st.booleans())
    def syncs_run(self, rows: list[Any], kinds: list[Kind], later: bool) -> None:
        self.write(rows)
        if later:
            self.do(self._time_passes())
        self.run(*kinds)

    @step(
        rows=written,
        fault=st.sampled_from(FAULTS),
        route=st.sampled_from(ROUTES),
        times=st.sampled_from([1, 1, 2, 3, None]),
        kinds=st.lists(KINDS_OF_ROWS, min_size=1, max_size=3),
    )
    def syncs_run_while_something_breaks(
        self,
        rows: list[Any],
        fault: tuple[str, Any],
        route: str,
        times: int | None,
        kinds: list[Kind],
    ) -> None:
        self.write(rows)
        self._break(*fault, route, times)
        self.run(*kinds)

    @step(rows=written)
    def all_is_mended(self, rows: list[Any]) -> None:
        self.write(rows)
        self.market.faults.clear()
        self.do(self._time_passes())
        self.run(*Kind)

    @step(
        rows=written,
        kind=KINDS_OF_ROWS,
        point=st.sampled_from(list(Point)),
        nth=st.sampled_from([0, 0, 1, 2]),
        later=st.booleans(),
    )
    def a_worker_dies(
        self, rows: list[Any], kind: Kind, point: Point, nth: int, later: bool
    ) -> None:
        self.write(rows)
        if later:
            self.do(self._time_passes())
        self._before(kind)
        self.do(self._killed(kind, point, nth))
        self.do(self._after())

    def _break(self, kind: str, point: FaultPoint, route: str, times: int | None) -> None:
        routes = ROUTES_OF.get(kind, (route,))
        if kind == "timeout":
            times = 1  # each costs the deadline
        if kind == "stale":
            self.market.faults.add(routes[0], point, kind, times, effects=1)
        elif route == "*" or route in routes:
            self.market.faults.add(route, point, kind, times, seconds=0.005)

    def run(self, *kinds: Kind) -> None:
        self._before(*kinds)
        self.do(self._run(kinds))
        self.do(self._after())

    async def _run(self, kinds: Iterable[Kind]) -> None:
        await asyncio.gather(*(self.shop.run(kind) for kind in kinds))

    def _before(self, *kinds: Kind) -> None:
        self.lives.look()
        self.before = len(self.market.journal.requests)
        for life in self.lives.all:
            life.carried |= life.kind in kinds

    async def _after(self) -> None:
        """Learn what was linked, and who was refused by name."""
        for life in self.lives.all:
            life.linked = None
        for row in await self.shop.sql(
            "SELECT return_request_id AS id, emag_return_id::bigint AS linked"
            "  FROM app.emag_return_integrations WHERE NOT superseded"
        ):
            life = next(
                each for each in self.lives.all if each.kind is Kind.RMA and each.id == row["id"]
            )
            life.linked = row["linked"]
        named = {
            number
            for record in self.market.journal.requests[self.before :]
            if NAMED & set((record.fault or "").split(", "))
            for number in (*record.order_ids, *record.return_ids)
        }
        for life in self.lives.all:
            if named & {life.order, life.linked}:
                life.possible.add("refused")
        self.lives.look()

    async def _killed(self, kind: Kind, point: Point, nth: int) -> None:
        """A run whose process is gone at a point: nothing it would do on its way out happens."""
        engine, struck, dead = Engine(self.url), asyncio.Event(), False

        async def lend() -> Driver:
            if dead:
                raise ConnectionAbortedError("this worker was killed")
            return await Engine.lend(engine)

        async def strike(at: Point) -> None:
            nonlocal nth, dead
            if at is point:
                nth -= 1
            if dead or nth < 0:
                dead = True
                struck.set()
                await asyncio.Event().wait()

        with pytest.MonkeyPatch.context() as patch, listening(strike):
            patch.setattr(engine, "lend", lend)
            run = asyncio.ensure_future(self.shop.run(kind, engine=engine))
            death = asyncio.ensure_future(struck.wait())
            await asyncio.wait({run, death}, return_when=asyncio.FIRST_COMPLETED)
            await _abandon(run, death)
        engine.close()

    async def _time_passes(self) -> None:
        await self.shop.later()
        await self.shop.sql("UPDATE app.emag_api_calls SET dead_at = dead_at - interval '1 hour'")

    # How it must end

    def teardown(self) -> None:
        try:
            self.market.faults.clear()
            self._run_until_quiet()
            self.do(self._check())
        finally:
            self.end()

    def _run_until_quiet(self) -> None:
        """Run every sync, one after the other, until a round changes nothing any more."""
        before: Mapping[Any, str] = {}
        for _ in range(UNTIL_QUIET):
            self.do(self._time_passes())
            for kind in Kind:
                self.run(kind)
            states = self.do(self._states())
            if states == before and not {"pending", "in_doubt"} & set(states.values()):
                return
            before = states

    async def _states(self) -> dict[tuple[Kind, int], str]:
        """Where the books say that each row stands."""
        return {
            (kind, row["id"]): ":".join(filter(None, (row["sync_state"], row["waiting_for"])))
            for kind, books in BOOKS.items()
            for row in await self.shop.sql(
                f"SELECT {books.erp_id} AS id, sync_state,"
                "       CASE WHEN sync_state = 'waiting' THEN waiting_for END AS waiting_for"
                f"  FROM {books.name} ORDER BY id"
            )
        }

    async def _check(self) -> None:
        states = await self._states()
        for life in self.lives.all:
            state = states.get((life.kind, life.id), "absent")
            told = f"{life} is {state}; possible were {sorted(life.possible)}; {vars(life)}"
            told += f"; our books: {await self._books(life)}"
            assert state in (life.ever if life.deleted else life.possible), told
            assert state != "synced" or life.held or life.deleted, told
            assert not state.startswith("waiting") or state in self.lives.outcomes(life), told
        await self._check_books()
        self._check_effects()

    async def _books(self, life: Life) -> Any:
        books = BOOKS[life.kind]
        query = f"SELECT * FROM {books.name} WHERE {books.erp_id} = :id"
        return await self.shop.sql(query, id=life.id)

    async def _check_books(self) -> None:
        shop = self.shop
        assert await shop.sql("SELECT * FROM app.emag_changes") == []
        assert await shop.sql("SELECT * FROM app.emag_api_calls WHERE verdict = 'sent'") == []
        leases = "SELECT * FROM app.emag_order_leases WHERE expires_at > clock_timestamp()"
        assert await shop.sql(leases) == []
        for kind, books in BOOKS.items():
            table = ERP_TABLES[kind].name
            assert await shop.sql(f"SELECT * FROM {books.name} WHERE write_back IS NOT NULL") == []
            differing = await shop.sql(
                f"SELECT b.id, b.{books.emag_id}, r.{books.emag_id} AS erp FROM {books.name} b"
                f" JOIN app.{table} r ON r.id = b.{books.erp_id} WHERE NOT b.superseded"
                f" AND b.{books.emag_id} IS DISTINCT FROM r.{books.emag_id}"
                f" AND b.{books.emag_id} IS NOT NULL"
            )
            assert differing == []
        linked = [life.linked for life in self.lives.all if life.linked is not None]
        assert len(linked) == len(set(linked)), "an RMA belongs to two rows"

    def _check_effects(self) -> None:
        assert list(self.market.journal.repeated()) == []
        assert self._inexcusable() == []
        for order_id, first in self.lives.first.items():
            for product in first:
                self._check_pieces(order_id, product)

    def _inexcusable(self) -> list[Violation]:
        """What was asked illegally, but about orders that a read had shown as they once were."""
        journal = self.market.journal
        excused: dict[int | None, int] = {}
        for record in journal.requests:
            if "stale" in (record.fault or "").split(", "):
                excused = {**dict.fromkeys(record.order_ids, record.number), **excused}
        return [
            each
            for each in journal.violations()
            if each.id not in excused or each.request < excused[each.id]
        ]

    def _check_pieces(self, order_id: int, product: str) -> None:
        """No order lost more of a product than the ERP ever asked for."""
        lives = [
            life
            for life in self.lives.all
            if life.kind is Kind.CANCELLATION and order_id in life.orders
        ]
        if any(WHOLE in life.asked for life in lives):
            return
        asked = sum(life.asked.get(product, 0) for life in lives)
        assert self.lives.taken(order_id, product) <= asked


def _items(life: Life) -> list[dict[str, Any]]:
    condition = {"condition": "new"} if life.kind is Kind.RMA else {}
    return [
        {"product_id": int(product), "sku": None, "quantity": pieces, **condition}
        for product, pieces in life.items.items()
    ]


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_whatever_happens_all_ends_well(database_url: str, share: int) -> None:
    steps = -(-STEPS // SHARES)

    class Lived(Seller):
        url = database_url

    play(
        Lived,
        steps,
        STEPS_OF_A_CASE,
        share=share,
        reproduce=f"EMAG_MODEL_STEPS={STEPS} reproduce this in"
        f" tests/end_to_end/test_model.py::test_whatever_happens_all_ends_well[{share}]",
    )
