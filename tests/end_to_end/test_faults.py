"""Every kind of fault at every point of every operation: what a run says, what comes of its rows.

The table at the end of the test session shows each cell; the expected one is below, as data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

from integrations.emag.accounts import Account
from integrations.emag.client import EmagClient, open_client
from integrations.erp.rows import Kind
from integrations.sandbox.fault_kinds import KINDS, ROUTES_OF, SAVES
from integrations.sandbox.fault_kinds import Point as FaultPoint
from integrations.sandbox.market import Market
from tests.end_to_end.conftest import CONNECTING, Shop
from tests.end_to_end.fault_table import PROPERTY
from tests.end_to_end.pace import open_unpaced_shop, wipe

pytestmark = pytest.mark.unpaced

FIRST = 480000101

# An answer that never comes is not waited for as long as one that may.
HASTY_DEADLINE = 0.4

Scene = Callable[[Shop, int], Awaitable[int]]


@dataclass(frozen=True)
class Seen:
    """What a fault did: the run's exit code and the rows after it; the rows after another run.

    Rows are counted by state and attempts: `{"pending 1": 3}` are three that failed once.
    """

    exit_code: int
    after: Mapping[str, int]
    later: Mapping[str, int]


@dataclass(frozen=True)
class Word:
    """What the table calls an outcome, in terms of one row; `rest`: what its neighbours became."""

    exit_code: int
    after: str
    later: str = "synced"
    rest: str | None = None

    def of(self, rows: int) -> Seen:
        """The outcome for so many rows."""
        return Seen(self.exit_code, self._count(self.after, rows), self._count(self.later, rows))

    def _count(self, state: str, rows: int) -> dict[str, int]:
        return {state: rows} if self.rest is None else {state: 1, self.rest: rows - 1}


WORDS: Mapping[str, Word] = {
    "fine": Word(0, "synced"),  # within the run
    "doubt": Word(1, "in_doubt"),  # settled by reading, once the request is surely dead
    "outage": Word(3, "pending"),  # nothing burnt, said plainly, done when eMAG is back
    "unseen": Word(3, "not queued"),  # the same before any row was looked at
    "later": Word(0, "pending"),  # nothing burnt, nothing to say
    "blamed": Word(0, "pending 1"),  # this row alone could not be read: an attempt
    "named": Word(1, "refused", "refused", rest="synced"),  # eMAG named one: it stays refused
}


@dataclass(frozen=True)
class Operation:
    """A way of rows to eMAG, and the request in it that meets the fault, once or `lasting`.

    `kinds` are those that are tried.
    """

    name: str
    route: str
    kind: Kind
    scene: Scene
    effects: tuple[str, ...]
    rows: int = 1
    lasting: bool = False
    kinds: Collection[str] = frozenset(KINDS)

    def __str__(self) -> str:
        return self.name

    @property
    def writes(self) -> bool:
        return self.route in (*SAVES, "order/acknowledge")


async def cancelled(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 2})
    return await shop.erp.add(Kind.CANCELLATION, order_id)


async def new_and_cancelled(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 1})
    return await shop.erp.add(Kind.CANCELLATION, order_id)


async def one_piece_less(shop: Shop, order_id: int) -> int:
    products = [{"product_id": "1001", "quantity": 3}]
    shop.market.add_order({"id": order_id, "status": 2, "products": products})
    return await shop.erp.add(Kind.CANCELLATION, order_id, {"product_id": 1001, "quantity": 1})


async def one_piece_refunded(shop: Shop, order_id: int) -> int:
    products = [{"product_id": "1001", "quantity": 3}]
    shop.market.add_order({"id": order_id, "status": 4, "products": products})
    item = {"product_id": 1001, "quantity": 1}
    return await shop.erp.add(Kind.CANCELLATION, order_id, item, refund_status="processing")


async def returned(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 4})
    shop.market.add_return({"order_id": order_id, "request_status": 2})
    return await shop.erp.add(Kind.RMA, order_id)


async def invoiced(shop: Shop, order_id: int) -> int:
    shop.market.add_order({"id": order_id, "status": 4})
    return await shop.erp.add(Kind.INVOICE, order_id, pdf_url=shop.document(f"F-{order_id}"))


# One of every sort: how the others of it are taken is seen in other columns.
FEW = frozenset(
    {"reset", "timeout", "http_503_html", "garbage_body", "locked", "throttle", "forbidden"}
)

CANCELLATION, RETURN, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
SAVED, MOVED, ATTACHED = ("order.status",), ("rma.status",), ("attachment",)
LINE, STORNO = ("order.line",), ("order.storno",)
ISSUED, ATTACH = "customer-invoice/read", "order/attachments/save"
OPERATIONS = (
    Operation("pages", "order/read", CANCELLATION, cancelled, SAVED, rows=8),
    Operation("pages*", "order/read", CANCELLATION, cancelled, SAVED, rows=8, lasting=True),
    Operation(
        "count*", "order/count", CANCELLATION, cancelled, SAVED, rows=8, lasting=True, kinds=FEW
    ),
    Operation("order", "order/read", CANCELLATION, cancelled, SAVED),
    Operation("order*", "order/read", CANCELLATION, cancelled, SAVED, lasting=True),
    Operation("rma", "rma/read", RETURN, returned, MOVED),
    Operation("rma*", "rma/read", RETURN, returned, MOVED, lasting=True),
    Operation("issued", ISSUED, INVOICE, invoiced, ATTACHED),
    Operation("issued*", ISSUED, INVOICE, invoiced, ATTACHED, lasting=True),
    Operation("ack", "order/acknowledge", CANCELLATION, new_and_cancelled, ("acknowledge", *SAVED)),
    Operation("cancel", "order/save", CANCELLATION, cancelled, SAVED),
    Operation("cancel*", "order/save", CANCELLATION, cancelled, SAVED, lasting=True, kinds=FEW),
    Operation("cancel4", "order/save", CANCELLATION, cancelled, SAVED, rows=4),
    Operation("reduce", "order/save", CANCELLATION, one_piece_less, LINE),
    Operation("storno", "order/save", CANCELLATION, one_piece_refunded, STORNO),
    Operation("storno4", "order/save", CANCELLATION, one_piece_refunded, STORNO, rows=4),
    Operation("move", "rma/save", RETURN, returned, MOVED),
    Operation("move4", "rma/save", RETURN, returned, MOVED, rows=4),
    Operation("attach", ATTACH, INVOICE, invoiced, ATTACHED),
    Operation("attach4", ATTACH, INVOICE, invoiced, ATTACHED, rows=4),
)
"""A name with a star: the fault lasts as long as the run. With a number: so many rows at once."""

# Each line: kinds of faults, the points at which they strike, a word for every operation, or a dash
# where they can't. What is saved makes no difference, only whether it is alone in its request.
READING = """
kinds_of_faults         at           pages  pages* count* order  order* rma    rma*   issued issued*
reset|timeout|http_*    before|after fine   outage outage fine   outage fine   outage fine   unseen
empty_body|garbage_body before|after fine   blamed fine   fine   blamed fine   blamed fine   unseen
cut_body                after        fine   blamed fine   fine   blamed fine   blamed fine   unseen
error_although_applied  after        fine   blamed fine   blamed blamed blamed blamed unseen unseen
locked                  before       fine   blamed fine   fine   blamed fine   blamed fine   unseen
throttle*               before       fine   later  later  fine   later  fine   later  fine   unseen
forbidden|address_*     before       outage outage outage outage outage outage outage unseen unseen
slow                    before|after fine   fine   fine   fine   fine   fine   fine   fine   fine
stale                   during       fine   fine   fine   fine   fine   fine   fine   -      -
"""
SAVING = """
kinds_of_faults               at           one    one*   lot
reset|timeout|http_*          before|after doubt  doubt  doubt
empty_body|garbage_body       before|after doubt  doubt  doubt
cut_body                      after        doubt  doubt  doubt
error_although_applied        after        fine   fine   fine
locked                        before       later  later  later
throttle*                     before       fine   later  fine
forbidden|address_refused     before       outage outage outage
slow                          before|after fine   fine   fine
half_then_reset|half_then_500 during       -      -      doubt
half_then_error|one_refused   during       -      -      named
"""


def expected(operation: Operation, kind: str, point: FaultPoint) -> str:
    """The word in the tables above."""
    head, *lines = (SAVING if operation.writes else READING).strip().splitlines()
    column = operation.name if not operation.writes else _saving(operation)
    place = head.split().index(column)
    for line in lines:
        kinds, points, *_ = words = line.split()
        when = point.removesuffix("_effect")
        if any(fnmatchcase(kind, each) for each in kinds.split("|")) and when in points.split("|"):
            return words[place]
    raise AssertionError(f"nothing is expected of {kind} {point}")


def _saving(operation: Operation) -> str:
    """The column of a save."""
    return ("lot" if operation.rows > 1 else "one") + "*" * operation.lasting


def faults_of(operation: Operation) -> Iterator[tuple[str, FaultPoint]]:
    """The kinds and points that can strike the operation's request."""
    for kind, points in KINDS.items():
        possible = kind in operation.kinds and operation.route in ROUTES_OF.get(
            kind, (operation.route,)
        )
        enough = ROUTES_OF.get(kind) != SAVES or operation.rows > 1
        if possible and enough:
            yield from ((kind, point) for point in points)


@dataclass
class Scenery:
    """A shop, and a client that soon loses patience."""

    shop: Shop
    hasty: EmagClient


@pytest.fixture
async def scenery(database_url: str, market: Market, account: Account) -> AsyncIterator[Scenery]:
    """A shop in which nothing waits."""
    async with (
        open_unpaced_shop(database_url, market, account) as shop,
        open_client(account, deadline=HASTY_DEADLINE, connecting=CONNECTING) as hasty,
    ):
        yield Scenery(shop, hasty)


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_each_fault_has_its_outcome_and_each_effect_happens_once(
    scenery: Scenery, operation: Operation, record_property: Callable[[str, object], None]
) -> None:
    found = {
        f"{kind} {point}": await outcome(scenery, operation, kind, point)
        for kind, point in faults_of(operation)
    }
    record_property(
        PROPERTY, (OPERATIONS.index(operation), operation.name, operation.writes, found)
    )
    wanted = {
        f"{kind} {point}": expected(operation, kind, point) for kind, point in faults_of(operation)
    }
    assert found == wanted


async def outcome(scenery: Scenery, operation: Operation, kind: str, point: FaultPoint) -> str:
    """What came of the operation when it met the fault, as a word of the table."""
    shop = scenery.shop
    await wipe(shop)
    rows = [await operation.scene(shop, FIRST + each) for each in range(operation.rows)]
    times = None if operation.lasting else 1
    shop.market.faults.add(operation.route, point, kind, times, seconds=0.01)
    hurry = {"client": scenery.hasty} if kind == "timeout" else {}
    report = await shop.run(operation.kind, **hurry)
    assert any(request.fault == kind for request in shop.market.journal.requests)
    after = await states(shop, operation.kind, rows)
    shop.market.faults.clear()
    await shop.later()
    await shop.run(operation.kind)
    seen = Seen(report.exit_code, after, await states(shop, operation.kind, rows))
    return word(seen, operation) + wrong_effects(shop, operation, seen)


async def states(shop: Shop, kind: Kind, rows: list[int]) -> dict[str, int]:
    """How many rows are in which state, after how many failures of their own."""
    queued = await shop.queued(kind)
    books = [await shop.books(kind, row) if row in queued else None for row in rows]
    return dict(
        Counter(
            f"{each['sync_state']} {each['sync_attempts'] or ''}".strip() if each else "not queued"
            for each in books
        )
    )


def word(seen: Seen, operation: Operation) -> str:
    """The outcome's name; what has none is shown as it is."""
    names = (name for name, each in WORDS.items() if each.of(operation.rows) == seen)
    return next(names, str(seen))


def wrong_effects(shop: Shop, operation: Operation, seen: Seen) -> str:
    """What happened too often or too seldom at eMAG, or must not have been asked."""
    happened = Counter(effect.kind for effect in shop.market.journal.effects_of(by="seller"))
    due = Counter(dict.fromkeys(operation.effects, seen.later.get("synced", 0)))
    asked = [violation.text for violation in shop.market.journal.violations()]
    return "" if happened == due and not asked else f" {dict(happened)} {asked}"
