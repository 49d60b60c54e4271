"""Reconciling while callbacks name what nobody has read yet: a hint is no difference."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.engine import Engine
from integrations.ledger.hints import hint_order, hint_return
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import ORDER, a_day, receive, reconcile

UNKNOWN = 999_999_999

Hint = Callable[[Engine, str, str, int, int], Awaitable[bool]]


pytestmark = pytest.mark.unpaced


async def hint_at(shop: Shop, hint: Hint, number: int) -> None:
    account = shop.channel.account
    assert await hint(shop.channel.engine, account.platform, account.name, 3, number)


@pytest.mark.parametrize("hint", [hint_order, hint_return])
async def test_a_hint_at_what_emag_does_not_know_is_in_no_certificate(
    shop: Shop, hint: Hint
) -> None:
    a_day(shop)
    await receive(shop)
    await hint_at(shop, hint, UNKNOWN)
    certificate = await reconcile(shop)
    assert certificate.clean
    assert certificate.differences == 0
    assert certificate.explained == {}
    await receive(shop)
    assert (await reconcile(shop)).clean


async def test_a_hint_hides_no_row_of_the_erps_that_emag_does_not_know(shop: Shop) -> None:
    shop.market.add_order({"id": ORDER, "status": 2})
    row = await shop.erp.add(Kind.CANCELLATION, ORDER)
    await shop.run(Kind.CANCELLATION)
    assert await shop.state(Kind.CANCELLATION, row) == "synced"
    await shop.sql(
        "UPDATE app.emag_cancellation_integrations SET emag_order_id = :number", number=UNKNOWN
    )
    await hint_at(shop, hint_order, UNKNOWN)
    certificate = await reconcile(shop)
    assert [each.number for each in certificate.unexplained.shown] == [UNKNOWN]
