"""What a cancellation leaves behind in the ERP and in our books."""

from __future__ import annotations

import json

from tests.end_to_end.cancellations.cancelling import (
    CANCELLATION,
    CARD,
    JUICE,
    LINES,
    MUG,
    ORDER,
    order,
    pieces,
)
from tests.end_to_end.conftest import Shop


class TestWhatIsWrittenDown:
    async def test_the_erp_learns_the_order_id_and_keeps_its_own_columns(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        before = await shop.erp.row(CANCELLATION, row)
        await shop.run(CANCELLATION)
        after = await shop.erp.row(CANCELLATION, row)
        assert after == {**before, "emag_cancellation_id": str(ORDER)}

    async def test_the_write_back_can_be_switched_off(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 2})
        row = await shop.erp.add(CANCELLATION, ORDER)
        before = await shop.erp.row(CANCELLATION, row)
        await shop.run(CANCELLATION, write_back=False)
        assert await shop.erp.row(CANCELLATION, row) == before
        assert (await shop.books(CANCELLATION, row))["emag_cancellation_id"] == str(ORDER)

    async def test_the_last_answer_and_the_reason_name_no_customer(self, shop: Shop) -> None:
        shop.market.add_order(
            {"id": ORDER, "status": 4, "payment_mode_id": CARD, "products": LINES}
        )
        shop.switch(card_partial_storno=False)
        row = await shop.erp.add(
            CANCELLATION, ORDER, {"product_id": "1001"}, refund_status="processing"
        )
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        said = json.loads(books["emag_response"])
        assert (said["verdict"], said["http_status"]) == ("refused", 200)
        customer = order(shop)["customer"]
        written = books["emag_response"] + books["error_message"]
        assert [each for each in (customer["name"], customer["phone_1"]) if each in written] == []
        shop.market.journal.clear()

    async def test_an_erp_that_was_there_first_is_served_in_its_own_words(
        self, erp_first: Shop
    ) -> None:
        erp_first.market.add_order({"id": ORDER, "status": 4, "products": LINES})
        row = await erp_first.erp.add(
            CANCELLATION, ORDER, {"product_id": 1001, "quantity": 2}, refund_status="PROCESSING"
        )
        await erp_first.run(CANCELLATION)
        assert pieces(erp_first) == {MUG: 1, JUICE: 1}
        books = await erp_first.books(CANCELLATION, row)
        assert (books["sync_state"], books["emag_status"]) == ("synced", "partially_returned")
        written = await erp_first.erp.row(CANCELLATION, row)
        assert (written["emag_cancellation_id"], written["status"]) == (str(ORDER), "PENDING")
