"""Every kind of difference, planted behind everybody's back: each is named, and repaired or shown.

One shop holds them all at once, so that none hides another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.certificates import Certificate, Listed
from integrations.ledger.differences import Why
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import (
    ORDER,
    ago,
    cancellations,
    mirrored,
    receive,
    reconcile,
    uncaptured,
)

REPAIRED = "repaired"
UNEXPLAINED = "unexplained"

RETURN = 52000100


pytestmark = pytest.mark.unpaced


@dataclass(frozen=True)
class Planted:
    """What is set up while all agrees, what goes wrong then, and how it is to be told.

    Attributes:
        told: what the certificate says, beginning.
        number: the order or return that it names.
    """

    name: str
    prepare: Callable[[Shop, int], Awaitable[None]]
    plant: Callable[[Shop, int], Awaitable[None]]
    outcome: str | Why
    told: str
    is_return: bool = False


def of_order(**fields: object) -> Callable[[Shop, int], Awaitable[None]]:
    async def prepare(shop: Shop, number: int) -> None:
        shop.market.add_order({"id": number, "date": ago(hours=9), **fields})

    return prepare


def of_return(status: int) -> Callable[[Shop, int], Awaitable[None]]:
    async def prepare(shop: Shop, number: int) -> None:
        order = {"id": number + 1_000_000, "status": 4, "date": ago(hours=20)}
        shop.market.add_order(order)
        shop.market.add_return(
            {
                "emag_id": number,
                "order_id": order["id"],
                "request_status": status,
                "date": ago(hours=8),
            }
        )

    return prepare


async def paid(shop: Shop, number: int) -> None:
    shop.market.add_order({"id": number, "status": 4, "date": ago(hours=9)})
    await shop.erp.add(Kind.INVOICE, number, status="issued")
    shop.market.cod_is_cashed(number)


async def unpaid(shop: Shop, number: int) -> None:
    shop.market.add_order({"id": number, "status": 4, "date": ago(hours=9)})
    await shop.erp.add(Kind.INVOICE, number, status="issued")


async def refunded(shop: Shop, number: int) -> None:
    await of_return(7)(shop, number)
    shop.market.emag_refunds_return(number, 25)


def sql(statement: str) -> Callable[[Shop, int], Awaitable[None]]:
    async def plant(shop: Shop, number: int) -> None:
        used = {name: value for name, value in _values(number).items() if f":{name}" in statement}
        await uncaptured(shop, statement, **used)

    return plant


def _values(number: int) -> dict[str, object]:
    return {"id": number, "text": str(number)}


async def silent_cancellation(shop: Shop, number: int) -> None:
    shop.market.panel_cancels(number)


async def lost_for_good(shop: Shop, number: int) -> None:
    for table, key in (
        ("emag_cancellation_integrations", "emag_order_id = :id"),
        ("cancellation_requests", "emag_order_id = :text"),
    ):
        await sql(f"DELETE FROM app.{table} WHERE {key}")(shop, number)


async def lost_at_emag(shop: Shop, number: int) -> None:
    await uncaptured(
        shop,
        "INSERT INTO app.emag_orders (platform, order_id, account, type, status, placed_at,"
        " digest, read_at, changed_at, owed) VALUES (:platform, :id, 'main', 3, 2, :placed, '',"
        " now(), now(), false)",
        platform=shop.channel.account.platform,
        id=number,
        placed=ago(hours=9),
    )


async def only_in_the_erp(shop: Shop, number: int) -> None:
    await uncaptured(
        shop,
        "WITH row AS (INSERT INTO app.return_requests (emag_order_id, emag_return_id, status)"
        " VALUES ('480009999', :text, 'approved') RETURNING id)"
        " INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id, platform,"
        " emag_order_id, account_type, sync_state, queued_at)"
        " SELECT id, :text, :platform, 480009999, 'main', 'synced', now() FROM row",
        text=str(number),
        platform=shop.channel.account.platform,
    )


async def deleted_by_the_erp(shop: Shop, number: int) -> None:
    [row] = await cancellations(shop, number)
    await shop.erp.delete(Kind.CANCELLATION, row["id"])


async def decided_by_the_erp(shop: Shop, number: int) -> None:
    [row] = await shop.sql(
        "SELECT id FROM app.return_requests WHERE emag_return_id = :id", id=str(number)
    )
    await shop.erp.update(Kind.RMA, row["id"], status="approved")


async def changed_before_our_books_knew(shop: Shop, number: int) -> None:
    for statement in (
        f"UPDATE app.return_requests SET status = 'completed' {_RETURN}",
        f"UPDATE app.emag_return_integrations SET erp_digest = NULL {_RETURN}",
    ):
        await sql(statement)(shop, number)


_RETURN = "WHERE emag_return_id = :text"
_INVOICE = "WHERE emag_order_id = :text"

PLANTED = (
    Planted(
        "an order is cancelled at eMAG, and its `modified` stands still",
        of_order(status=2),
        silent_cancellation,
        REPAIRED,
        "eMAG says 0 canceled, the mirror has 2 in progress",
    ),
    Planted(
        "the mirror has lost an order",
        of_order(status=3),
        sql("DELETE FROM app.emag_orders WHERE order_id = :id"),
        REPAIRED,
        "eMAG says 3 prepared, the mirror has none",
    ),
    Planted(
        "the mirror holds another state",
        of_order(status=1),
        sql("UPDATE app.emag_orders SET status = 4 WHERE order_id = :id"),
        REPAIRED,
        "eMAG says 1 new, the mirror has 4 finalized",
    ),
    Planted(
        "the mirror holds an order that eMAG does not know",
        of_order(status=2),
        lost_at_emag,
        UNEXPLAINED,
        "eMAG shows it no longer, the mirror has it",
    ),
    Planted(
        "the ERP has lost a cancellation without a trace",
        of_order(status=0),
        lost_for_good,
        REPAIRED,
        "cancellation ",
    ),
    Planted(
        "the ERP has deleted a cancellation",
        of_order(status=0),
        deleted_by_the_erp,
        Why.DELETED,
        "eMAG holds the order as cancelled, the ERP no cancellation",
    ),
    Planted(
        "an invoice has lost its payment",
        paid,
        sql(f"UPDATE app.invoices SET status = 'issued', paid_amount = 0 {_INVOICE}"),
        REPAIRED,
        "invoice ",
    ),
    Planted(
        "an invoice shows another amount",
        paid,
        sql(f"UPDATE app.invoices SET paid_amount = 1 {_INVOICE}"),
        REPAIRED,
        "invoice ",
    ),
    Planted(
        "an invoice is paid, and eMAG shows no payment",
        unpaid,
        sql(f"UPDATE app.invoices SET status = 'paid', paid_amount = 119 {_INVOICE}"),
        Why.ELSEWHERE,
        "invoice ",
    ),
    Planted(
        "the ERP holds a return in another state, and our books don't know what it held",
        of_return(6),
        changed_before_our_books_knew,
        REPAIRED,
        "the ERP holds row ",
        is_return=True,
    ),
    Planted(
        "the ERP has changed a return, and no trigger saw it",
        of_return(6),
        sql(f"UPDATE app.return_requests SET status = 'completed' {_RETURN}"),
        Why.UNSENT,
        "the ERP holds row ",
        is_return=True,
    ),
    Planted(
        "the ERP has decided a return, and eMAG does not know yet",
        of_return(2),
        decided_by_the_erp,
        Why.UNSENT,
        "the ERP holds row ",
        is_return=True,
    ),
    Planted(
        "a return shows another refund",
        refunded,
        sql(f"UPDATE app.return_requests SET refund_amount = 7 {_RETURN}"),
        REPAIRED,
        "return ",
        is_return=True,
    ),
    Planted(
        "a refund is no longer processed",
        refunded,
        sql(f"UPDATE app.return_requests SET refund_processed = false {_RETURN}"),
        REPAIRED,
        "return ",
        is_return=True,
    ),
    Planted(
        "the mirror has lost a return",
        of_return(4),
        sql("DELETE FROM app.emag_returns WHERE emag_id = :id"),
        REPAIRED,
        "eMAG says 4 refused, the mirror has none",
        is_return=True,
    ),
    Planted(
        "only the ERP has a return",
        of_return(5),
        only_in_the_erp,
        UNEXPLAINED,
        "eMAG shows none, the ERP has one by this number",
        is_return=True,
    ),
)


def number_of(place: int) -> int:
    """The order or the return of a planted difference."""
    planted = PLANTED[place]
    return (RETURN if planted.is_return else ORDER) + place


def listed(certificate: Certificate, outcome: str | Why) -> Listed:
    if isinstance(outcome, Why):
        return certificate.explained.get(outcome, Listed())
    return certificate.repaired if outcome == REPAIRED else certificate.unexplained


async def test_every_planted_difference_is_named_and_repaired_or_shown(shop: Shop) -> None:
    shop.switch(modified_stands_still=True)
    # What only one side has is planted under a number that nobody else has.
    planted_alone = {lost_at_emag, only_in_the_erp}
    for place, each in enumerate(PLANTED):
        if each.plant not in planted_alone:
            await each.prepare(shop, number_of(place))
    await receive(shop)
    assert (await reconcile(shop)).differences == 0
    for place, each in enumerate(PLANTED):
        await each.plant(shop, number_of(place))

    certificate = await reconcile(shop)

    told = {
        each.name: [
            difference.text
            for difference in listed(certificate, each.outcome).shown
            if difference.number == number_of(place)
        ]
        for place, each in enumerate(PLANTED)
    }
    wrong = {
        each.name: told[each.name]
        for each in PLANTED
        if not any(text.startswith(each.told) for text in told[each.name])
    }
    assert wrong == {}
    assert certificate.differences == len(PLANTED)
    assert certificate.incomplete == []
    assert await mirrored(shop, number_of(0)) == [0]


async def test_what_was_repaired_differs_no_more_and_the_rest_is_shown_again(shop: Shop) -> None:
    shop.switch(modified_stands_still=True)
    for place, each in enumerate(PLANTED):
        if each.plant not in {lost_at_emag, only_in_the_erp}:
            await each.prepare(shop, number_of(place))
    await receive(shop)
    for place, each in enumerate(PLANTED):
        await each.plant(shop, number_of(place))
    before = await reconcile(shop)

    after = await reconcile(shop)

    assert after.repaired.rows == 0
    assert after.unexplained.rows == before.unexplained.rows
    assert {why: each.rows for why, each in after.explained.items()} == {
        why: each.rows for why, each in before.explained.items()
    }
