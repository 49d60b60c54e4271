"""Random lives of orders, returns and invoices, with faults and workers that die: all ends well.

Hypothesis plays the ERP, the customers, the couriers, the network and the hosts. After every case
the faults are mended, time passes, the syncs run, and every row must be where lives.py says that
it may be, with each effect at eMAG once.

EMAG_MODEL_STEPS lets it play longer, EMAG_MODEL_SEED otherwise; a failure names both.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from sqlalchemy import event

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import open_engine
from integrations.ledger.points import Point, listening
from integrations.sandbox.documents import DocumentKind
from integrations.sandbox.fault_kinds import KINDS, ROUTES_OF, SAVES
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from tests.conftest import PASSWORD, USERNAME
from tests.end_to_end.conftest import PRICES, Shop
from tests.end_to_end.lives import WHOLE, Life, Lives
from tests.end_to_end.pace import open_unpaced_shop, wipe

STEPS = int(os.environ.get("EMAG_MODEL_STEPS", "2000"))
SEED = int(os.environ.get("EMAG_MODEL_SEED", "1"))
STEPS_OF_A_CASE = 40

# Each share is a test of its own, so that two of them run at once.
SHARES = 2

DEADLINE = 0.5
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

placed_orders = st.fixed_dictionaries(
    {
        "status": st.sampled_from([1, 2, 2, 3, 4, 4, 4, 5]),
        "type": st.sampled_from([3, 3, 3, 2]),
        "payment_mode_id": st.sampled_from([1, 1, 3]),
        "pieces": st.lists(st.integers(1, 3), min_size=1, max_size=3),
        "hours_ago": st.sampled_from([1, 24, 60, 24 * 40]),
    }
)
items = st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 3), max_size=2)
reasons = st.sampled_from(["other", "other", "inventory_unavailable", "moonlight"])
refunds = st.sampled_from(["pending", "pending", "processing"])
documents = st.sampled_from(["pdf", "pdf", "pdf", "html", "missing", None])
papers = st.sampled_from(["sales_invoice", "credit_note", "corrected_invoice", "proforma_invoice"])

T = TypeVar("T")
Raw = dict[str, Any]


def step(**given: Any) -> Callable[[Callable[..., T]], Any]:
    """A rule whose steps are counted."""

    def decorate(function: Callable[..., T]) -> Any:
        @wraps(function)
        def counted(self: Seller, **drawn: Any) -> T:
            type(self).steps += 1
            return function(self, **drawn)

        made: Any = rule(**given)
        return made(counted)

    return decorate


async def _abandon(run: asyncio.Future[Any], death: asyncio.Future[Any]) -> None:
    """Let go of a run that ended by itself, or that was struck and will never end."""
    if run.done():
        run.result()
    for task in (run, death):
        task.cancel()
    await asyncio.gather(run, death, return_exceptions=True)


class Seller(RuleBasedStateMachine):
    """A seller's world from its first order to its last; `url` is that of an empty database."""

    orders = Bundle("orders")
    rmas = Bundle("rmas")
    rows = Bundle("rows")
    named_orders = st.one_of(*[orders] * 7, st.sampled_from([None, UNKNOWN_ORDER]))
    url: str
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.number = 0
        self.stale = False
        self.market = Market(credentials={USERNAME: PASSWORD})
        self.lives = Lives(self.market)
        self.shop = self.do(self._open())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _open(self) -> Shop:
        account = Account(
            name="main",
            account_type="main",
            username=USERNAME,
            password=SecretStr(PASSWORD),
            base_url=await self.stack.enter_async_context(serving(self.market)),
        )
        shop = await self.stack.enter_async_context(
            open_unpaced_shop(self.url, self.market, account)
        )
        client = await self.stack.enter_async_context(open_client(account, deadline=DEADLINE))
        shop.channel = replace(shop.channel, client=client)
        await wipe(shop)
        return shop

    # Customers, couriers, eMAG

    @initialize(target=orders, placed=st.lists(placed_orders, min_size=2, max_size=3))
    def some_orders_are_there(self, placed: list[Raw]) -> Any:
        return multiple(*(self.place(order) for order in placed))

    @step(target=orders, placed=placed_orders)
    def an_order_is_placed(self, placed: Raw) -> int:
        return self.place(placed)

    def place(self, placed: Raw) -> int:
        then = datetime.now(UTC) - timedelta(hours=placed["hours_ago"])
        lines = [
            {"product_id": product, "quantity": pieces}
            for product, pieces in zip(PRODUCTS, placed["pieces"], strict=False)
        ]
        finalized = {"finalization_date": then} if placed["status"] in (4, 5) else {}
        order = self.market.add_order(
            {
                "status": placed["status"],
                "type": placed["type"],
                "payment_mode_id": placed["payment_mode_id"],
                "products": lines,
                **dict.fromkeys(("date", "created", "modified"), then),
                **finalized,
            }
        )
        number = int(order["id"])
        self.lives.first[number] = dict(zip(PRODUCTS, placed["pieces"], strict=False))
        return number

    @step(
        target=rmas,
        order=orders,
        product=st.sampled_from([None, *PRODUCTS]),
        status=st.sampled_from([1, 2, 2, 2, 3, 6]),
    )
    def a_return_is_opened(self, order: int, product: str | None, status: int) -> Any:
        if self.lives.order(order)["status"] != 4:
            return multiple()
        lines = {"products": [{"product_id": product, "quantity": 1}]} if product else {}
        rma = self.market.customer_opens_return(order, request_status=status, **lines)
        self.lives.look()
        return int(rma["emag_id"])

    @step(order=orders, rmas=st.lists(rmas, max_size=2), what=st.sampled_from(WORLD))
    def the_world_moves_on(self, order: int, rmas: list[int], what: str) -> None:
        about = rmas if what.startswith("courier") else [order]
        for number in about:
            with suppress(ValueError):  # too late for that
                getattr(self.market, what)(number)
        self.lives.look()

    @step(order=orders, category=st.sampled_from(["normal", "storno"]))
    def emag_issues_an_invoice(self, order: int, category: str) -> None:
        self.market.add_issued_invoice({"category": category, "order_id": order})
        self.lives.look()

    # The ERP

    @step(
        target=rows,
        order=named_orders,
        status=st.sampled_from(["pending", "pending", "approved", "rejected", "processing"]),
        reason=reasons,
        refund=refunds,
        pieces=items,
    )
    def the_erp_cancels(
        self,
        order: int,
        status: str,
        reason: str,
        refund: str,
        pieces: dict[str, int],
    ) -> Life:
        return self.add(
            Life(Kind.CANCELLATION, 0, order, status, reason=reason, refund=refund, items=pieces)
        )

    @step(target=rows, order=named_orders, status=st.sampled_from(WORDS[Kind.RMA]), pieces=items)
    def the_erp_takes_back(self, order: int | None, status: str, pieces: dict[str, int]) -> Life:
        return self.add(Life(Kind.RMA, 0, order, status, items=pieces))

    @step(
        target=rows,
        order=named_orders,
        status=st.sampled_from(["issued", "issued", "paid", "draft"]),
        paper=papers,
        document=documents,
    )
    def the_erp_bills(
        self, order: int | None, status: str, paper: str, document: DocumentKind | None
    ) -> Life:
        life = Life(Kind.INVOICE, 0, order, status, type=paper)
        self.serve(life, document)
        return self.add(life)

    @step(life=rows, word=st.integers(0, 6))
    def the_erp_decides_anew(self, life: Life, word: int) -> None:
        status = WORDS[life.kind][word % len(WORDS[life.kind])]
        self.edit(life, status=status)

    @step(life=rows, reason=reasons, refund=refunds, document=documents)
    def the_erp_corrects(
        self, life: Life, reason: str, refund: str, document: DocumentKind | None
    ) -> None:
        if life.kind is Kind.CANCELLATION:
            self.edit(life, reason=reason, refund=refund)
        elif life.kind is Kind.INVOICE:
            before = life.url, life.served
            self.serve(life, document)
            after = life.url, life.served
            life.url, life.served = before
            self.edit(life, url=after[0], served=after[1])

    @step(life=rows, pieces=items)
    def the_erp_edits_items(self, life: Life, pieces: dict[str, int]) -> None:
        if life.kind is not Kind.INVOICE:
            self.edit(life, items=pieces)

    @step(life=rows, order=orders, deletes=st.booleans())
    def the_erp_starts_over(self, life: Life, order: int, deletes: bool) -> None:
        if not deletes:
            self.edit(life, order=order)
        elif not life.deleted:
            self.do(self.shop.erp.delete(life.kind, life.id))
            life.deleted, life.wished_before = True, life.wished_before or life.carried
            self.lives.look()

    def add(self, life: Life) -> Life:
        life.id = self.do(self._insert(life))
        self.lives.all.append(life)
        self.lives.look()
        return life

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

    @step(
        fault=st.sampled_from(FAULTS),
        route=st.sampled_from(ROUTES),
        times=st.sampled_from([1, 1, 2, 3, None]),
        kind=KINDS_OF_ROWS,
    )
    def a_sync_runs_while_something_is_broken(
        self, fault: tuple[str, Any], route: str, times: int | None, kind: Kind
    ) -> None:
        self._break(fault, route, times)
        self.run(kind)

    def _break(self, fault: tuple[str, Any], route: str, times: int | None) -> None:
        kind, point = fault
        routes = ROUTES_OF.get(kind, (route,))
        if kind == "timeout":
            times = 1  # each costs the deadline
        if kind == "stale":
            self.stale = True
            self.market.faults.add(routes[0], point, kind, times, effects=1)
        elif route == "*" or route in routes:
            self.market.faults.add(route, point, kind, times, seconds=0.005)

    @step(kind=KINDS_OF_ROWS)
    def a_sync_runs(self, kind: Kind) -> None:
        self.run(kind)

    @step(kind=KINDS_OF_ROWS, mended=st.booleans())
    def a_sync_runs_later(self, kind: Kind, mended: bool) -> None:
        self.do(self._time_passes())
        if mended:
            self.market.faults.clear()
        self.run(kind)

    @step(kinds=st.lists(KINDS_OF_ROWS, min_size=2, max_size=3))
    def several_run_at_once(self, kinds: list[Kind]) -> None:
        self.run(*kinds)

    @step(kind=KINDS_OF_ROWS, point=st.sampled_from(list(Point)), nth=st.integers(0, 2))
    def a_worker_dies(self, kind: Kind, point: Point, nth: int) -> None:
        self._before(kind)
        self.do(self._killed(kind, point, nth))
        self.do(self._after())

    @step()
    def time_passes(self) -> None:
        self.do(self._time_passes())

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
        engine, struck, dead = open_engine(self.url), asyncio.Event(), False

        def refuse(*_: object) -> None:
            if dead:
                raise ConnectionAbortedError("this worker was killed")

        async def strike(at: Point) -> None:
            nonlocal nth, dead
            if at is point:
                nth -= 1
            if dead or nth < 0:
                dead = True
                struck.set()
                await asyncio.Event().wait()

        event.listen(engine.sync_engine.pool, "checkout", refuse)
        with listening(strike):
            run = asyncio.ensure_future(self.shop.run(kind, engine=engine))
            death = asyncio.ensure_future(struck.wait())
            await asyncio.wait({run, death}, return_when=asyncio.FIRST_COMPLETED)
            await _abandon(run, death)
        await engine.dispose()

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
            self.do(self.stack.aclose())
            self.runner.close()

    def _run_until_quiet(self) -> None:
        for _ in range(UNTIL_QUIET):
            self.time_passes()
            for kind in Kind:  # one after the other: no order is held by another run
                self.run(kind)
            states = self.do(self._states())
            if not {"pending", "in_doubt"} & set(states.values()):
                return

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
            assert state in life.possible, told
            assert state != "synced" or life.held, told
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
        journal = self.market.journal
        assert list(journal.repeated()) == []
        if not self.stale:
            assert journal.violations() == []
        for order_id, first in self.lives.first.items():
            for product in first:
                self._check_pieces(order_id, product)

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


@pytest.mark.parametrize("share", range(SHARES))
def test_whatever_happens_all_ends_well(database_url: str, share: int) -> None:
    steps = -(-STEPS // SHARES)

    class Lived(Seller):
        url = database_url

    play = settings(
        max_examples=-(-steps // STEPS_OF_A_CASE),
        stateful_step_count=STEPS_OF_A_CASE,
        deadline=None,
        database=None,
        phases=[Phase.generate] + [Phase.shrink] * bool(os.environ.get("SHRINK")),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(SEED + share)(Lived), settings=play)
    except BaseException as failure:
        failure.add_note(
            f"EMAG_MODEL_SEED={SEED} EMAG_MODEL_STEPS={STEPS} and"
            f" pytest {__name__.replace('.', '/')}.py -k {share} reproduce this"
        )
        raise
    assert Lived.steps >= steps
