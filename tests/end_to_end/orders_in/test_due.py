"""A finalized order needs its document in time, also where eMAG does not say since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from integrations.ledger.alarms import raise_alarms
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import Deadline, Hours
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import ORDER, an_order, at_emag, receive


async def alarms(shop: Shop) -> list[Deadline]:
    """What a run raises two days before it is due."""
    async with autocommit(shop.channel.engine) as connection:
        return await raise_alarms(connection, [shop.channel.account], Hours(alarm=48))


async def test_an_order_without_a_finalization_date_has_one_alarm_however_it_changes(
    shop: Shop,
) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    an_order(shop, status=4, finalization_date=None, modified=began)
    await receive(shop)

    [alarm] = await alarms(shop)
    at_emag(shop)["payment_status"] = 1
    shop.market.touch(at_emag(shop))
    await receive(shop)

    assert (alarm.subject, alarm.due_at) == (str(ORDER), began + timedelta(hours=48))
    assert await alarms(shop) == []
