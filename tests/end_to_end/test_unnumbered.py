"""An order or a return whose number can't be read is known all the same, until it can be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from integrations.ledger.database import autocommit
from integrations.ledger.differences import Why
from integrations.ledger.matters import Parked, parked_of
from integrations.sandbox import routes
from integrations.sandbox.exchange import Answer, Ask
from integrations.sync.channel import Tally
from integrations.sync.receipt import Receipt
from integrations.sync.receive_orders import receive_orders
from integrations.sync.receive_returns import receive_returns
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import explanations, reconcile

pytestmark = pytest.mark.unpaced

ORDER, RETURN = 480_000_101, 52_000_077


@dataclass(frozen=True)
class Sort:
    """Orders or returns.

    Attributes:
        name: the field for eMAG's number.
        add: puts one with this number into the market.
        receive: a run of the way in.
        told: the numbers that the ERP knows.
    """

    entity: str
    route: str
    name: str
    number: int
    add: Callable[[Shop, int], Any]
    receive: Callable[..., Awaitable[Receipt]]
    told: str


def _add_order(shop: Shop, number: int) -> None:
    shop.market.add_order({"id": number, "status": 0})


def _add_return(shop: Shop, number: int) -> None:
    order_id = ORDER + number - RETURN
    shop.market.add_order({"id": order_id, "status": 4})
    shop.market.add_return({"emag_id": number, "order_id": order_id, "request_status": 2})


ORDERS = Sort(
    "order",
    "order/read",
    "id",
    ORDER,
    _add_order,
    receive_orders,
    "SELECT emag_order_id AS number FROM app.cancellation_requests ORDER BY 1",
)
RETURNS = Sort(
    "return",
    "rma/read",
    "emag_id",
    RETURN,
    _add_return,
    receive_returns,
    "SELECT emag_return_id AS number FROM app.return_requests ORDER BY 1",
)

sorts = pytest.mark.parametrize("sort", [ORDERS, RETURNS], ids=["orders", "returns"])


class Scene:
    """An eMAG that garbles numbers; by number, what it shows instead."""

    def __init__(self, shop: Shop, sort: Sort, patch: pytest.MonkeyPatch) -> None:
        self.shop, self.sort, self.garbled = shop, sort, dict[int, Any]()
        real = routes.ROUTES[sort.route]

        def answer(ask: Ask) -> Answer:
            answered = real.handle(ask)
            assert isinstance(answered.body, dict)
            rows = [self._shown(row) for row in answered.body["results"]]
            return replace(answered, body={**answered.body, "results": rows})

        patch.setitem(routes.ROUTES, sort.route, replace(real, handle=answer))

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        number = row[self.sort.name]
        return {**row, self.sort.name: self.garbled.get(number, number)}

    async def receive(self) -> list[str]:
        """What a run parks."""
        receipt = await self.sort.receive(replace(self.shop.channel, tally=Tally()))
        return [each.reason for each in receipt.parked]

    async def told(self) -> list[int]:
        return [int(row["number"]) for row in await self.shop.sql(self.sort.told)]

    async def inbox(self) -> list[Parked]:
        async with autocommit(self.shop.channel.engine) as connection:
            return await parked_of(connection, [self.shop.channel.account], 100)

    async def later(self) -> None:
        """Nothing else shows it: its window is over, and it is time to look for it."""
        await self.shop.sql(
            "UPDATE app.emag_unnumbered SET next_at = clock_timestamp(),"
            " seen_at = seen_at - interval '9 s'"
        )


@pytest.fixture
def garbling(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sort], Scene]:
    return lambda sort: Scene(shop, sort, monkeypatch)


Garbling = Callable[[Sort], Scene]


@sorts
@pytest.mark.parametrize(
    ("value", "shown"),
    [("RO-480000102", "'RO-480000102'"), (None, "None"), ([7], "a list"), (2**40, str(2**40))],
)
async def test_is_told_once_stays_in_the_inbox_and_comes_in_once_it_can_be_read(
    garbling: Garbling, sort: Sort, value: object, shown: str
) -> None:
    scene, (bad, good) = garbling(sort), (sort.number, sort.number + 1)
    for number in (bad, good):
        sort.add(scene.shop, number)
    scene.garbled[bad] = value
    [problem] = await scene.receive()
    assert problem.startswith(f"eMAG's {sort.entity} has an unusable {sort.name}: {shown}")
    assert "see to it at eMAG" in problem
    assert await scene.told() == [good]
    [drift] = await scene.shop.sql("SELECT route, name, value FROM app.emag_drift")
    assert drift == {"route": sort.route, "name": f"{sort.entity} {sort.name}", "value": shown}
    [entry] = await scene.inbox()
    assert (entry.entity, entry.subject, entry.reason) == (sort.entity, shown, problem)
    assert await scene.receive() == []

    await scene.later()
    assert await scene.receive() == [problem]
    assert [entry.attempts for entry in await scene.inbox()] == [1]

    scene.garbled.clear()
    await scene.later()
    assert await scene.receive() == []
    assert (await scene.told(), await scene.inbox()) == ([bad, good], [])


async def test_the_cursor_goes_on_and_an_order_that_has_left_its_window_is_found(
    garbling: Garbling,
) -> None:
    scene = garbling(ORDERS)
    shop = scene.shop
    before = shop.market.now() - timedelta(hours=5)
    shop.market.add_order(
        {"id": ORDER, "status": 0, "date": before, "created": before, "modified": before}
    )
    scene.garbled[ORDER] = "RO-480000101"
    await scene.receive()
    [cursor] = await shop.sql(
        "SELECT position > clock_timestamp() - interval '1 min' AS moved"
        " FROM app.emag_platform_cursors WHERE resource = 'orders:3'"
    )
    assert cursor["moved"]
    scene.garbled.clear()
    assert (await scene.receive(), await scene.told()) == ([], [])
    await scene.later()
    assert (await scene.receive(), await scene.told()) == ([], [ORDER])


@sorts
async def test_one_that_is_gone_from_emag_leaves_the_inbox(garbling: Garbling, sort: Sort) -> None:
    scene = garbling(sort)
    sort.add(scene.shop, sort.number)
    scene.garbled[sort.number] = None
    await scene.receive()
    scene.shop.market.reset()
    await scene.later()
    assert await scene.receive() == []
    assert await scene.inbox() == []


@sorts
async def test_those_without_any_number_let_a_listing_of_several_pages_come_to_its_end(
    garbling: Garbling, sort: Sort
) -> None:
    scene, numbers = garbling(sort), range(sort.number, sort.number + 6)
    scene.shop.switch(page_cap=2)
    for number in numbers:
        sort.add(scene.shop, number)
    scene.garbled.update(dict.fromkeys(numbers[:3]))
    parked = await scene.receive()
    assert {each.partition(",")[0].partition(" of ")[0] for each in parked} == {
        f"eMAG's {sort.entity} has an unusable {sort.name}: None"
    }
    assert await scene.told() == list(numbers[3:])


@sorts
async def test_a_reconciliation_names_it_and_counts_nothing_as_unexplained(
    garbling: Garbling, sort: Sort
) -> None:
    scene = garbling(sort)
    for number in (sort.number, sort.number + 1):
        sort.add(scene.shop, number)
    scene.garbled[sort.number] = "RO-480000102"
    await scene.receive()
    certificate = await reconcile(scene.shop)
    assert certificate.clean
    assert explanations(certificate) == {Why.PARKED: 1}
    [named] = certificate.explained[Why.PARKED].shown
    assert named.text.endswith("eMAG shows some without a usable number: 'RO-480000102'")
