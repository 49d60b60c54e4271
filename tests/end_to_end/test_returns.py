"""Returns: linked to eMAG's RMAs, and moved along the legal way to what the ERP decided."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.status import read_inbox
from tests.end_to_end.conftest import Shop

RETURN = Kind.RMA
ORDER = 480000101
RMA = 52000077

MUG = {"product_id": "1001", "quantity": 1}
JUICE = {"product_id": "1002", "quantity": 1}


def opened(shop: Shop, status: int, emag_id: int = RMA, order: int = ORDER, **fields: Any) -> None:
    """An RMA of a finalized order, for one mug unless said otherwise."""
    if order not in shop.market.orders:
        shop.market.add_order({"id": order, "status": 4, "products": [MUG, JUICE]})
    given = {"emag_id": emag_id, "order_id": order, "request_status": status, "products": [MUG]}
    shop.market.add_return({**given, **fields})


def status(shop: Shop, emag_id: int = RMA) -> int:
    found = shop.market.returns.get(emag_id)
    assert found is not None
    return int(found["request_status"])


def moves(shop: Shop, emag_id: int = RMA) -> list[int]:
    """The statuses that the seller has given an RMA, in order."""
    effects = shop.market.journal.effects_of("rma.status", emag_id, by="seller")
    return [effect.to for effect in effects]


def routes(shop: Shop) -> list[str]:
    return [request.route for request in shop.market.journal.requests]


async def linked(shop: Shop, row: int) -> str | None:
    emag_id: str | None = (await shop.books(RETURN, row))["emag_return_id"]
    return emag_id


class TestLinking:
    async def test_a_pending_return_is_only_linked(self, shop: Shop) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="pending")
        report = await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert await linked(shop, row) == str(RMA)
        assert report.requests == {"rma/read": 1}

    async def test_one_that_emag_does_not_have_yet_waits_and_is_found_later(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": ORDER, "status": 4})
        row = await shop.erp.add(RETURN, ORDER, status="approved")
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "waiting:emag_return"
        rma = shop.market.customer_opens_return(ORDER)
        await shop.later()
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert await linked(shop, row) == str(rma["emag_id"])
        assert rma["request_status"] == 3

    async def test_one_that_has_waited_for_seven_days_is_in_the_inbox(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4})
        row = await shop.erp.add(RETURN, ORDER)
        await shop.run(RETURN)
        assert await read_inbox(shop.channel.engine) == []
        await shop.sql(
            "UPDATE app.emag_return_integrations"
            " SET waiting_since = waiting_since - interval '7 days 1 minute'"
        )
        await shop.later()
        await shop.run(RETURN)
        [entry] = await read_inbox(shop.channel.engine)
        assert (entry.row_id, entry.waiting_for) == (row, "emag_return")

    async def test_one_of_an_order_that_emag_does_not_know_is_refused(self, shop: Shop) -> None:
        row = await shop.erp.add(RETURN, ORDER)
        report = await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert str(ORDER) in await shop.reason(RETURN, row)
        assert report.requests == {"rma/read": 2, "order/read": 2}

    async def test_one_that_was_deleted_and_written_anew_is_linked_again(self, shop: Shop) -> None:
        opened(shop, 2)
        first = await shop.erp.add(RETURN, ORDER)
        await shop.run(RETURN)
        await shop.erp.delete(RETURN, first)
        second = await shop.erp.add(RETURN, ORDER)
        await shop.run(RETURN)
        assert await shop.state(RETURN, second) == "synced"
        assert (await shop.erp.row(RETURN, second))["emag_return_id"] == str(RMA)

    async def test_an_incomplete_one_is_waited_for(self, shop: Shop) -> None:
        opened(shop, 1)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA))
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "waiting:emag_return"
        assert "incomplete" in await shop.reason(RETURN, row)

    async def test_the_one_whose_products_match_is_linked(self, shop: Shop) -> None:
        opened(shop, 2, RMA, products=[MUG])
        opened(shop, 2, RMA + 1, products=[JUICE])
        row = await shop.erp.add(RETURN, ORDER, {"product_id": "1002", "sku": "SUC-1L"})
        await shop.run(RETURN)
        assert await linked(shop, row) == str(RMA + 1)
        assert (status(shop, RMA), status(shop, RMA + 1)) == (2, 3)

    @pytest.mark.parametrize(
        "item",
        [
            {"emag_item_id": "902", "sku": "?"},
            {"product_id": "1002", "sku": "?"},
            {"sku": "1002"},
            {"product_id": "650999002", "sku": "?"},
        ],
        ids=["line", "product", "sku that is the product", "eMAG's product"],
    )
    async def test_an_item_is_matched_by_its_line_or_its_product(
        self, shop: Shop, item: dict[str, str]
    ) -> None:
        opened(shop, 2, RMA, products=[{**MUG, "id": 901}])
        juice = {**JUICE, "id": 902, "product_emag_id": 650999002}
        opened(shop, 2, RMA + 1, products=[juice])
        row = await shop.erp.add(RETURN, ORDER, item, status="pending")
        await shop.run(RETURN)
        assert await linked(shop, row) == str(RMA + 1)

    async def test_the_most_products_win(self, shop: Shop) -> None:
        opened(shop, 2, RMA, products=[MUG])
        opened(shop, 2, RMA + 1, products=[MUG, JUICE])
        row = await shop.erp.add(RETURN, ORDER, MUG, JUICE, status="pending")
        await shop.run(RETURN)
        assert await linked(shop, row) == str(RMA + 1)

    async def test_several_that_match_equally_are_a_persons_matter(self, shop: Shop) -> None:
        opened(shop, 2, RMA)
        opened(shop, 3, RMA + 1)
        row = await shop.erp.add(RETURN, ORDER, MUG)
        await shop.run(RETURN)
        reason = await shop.reason(RETURN, row)
        assert await shop.state(RETURN, row) == "waiting:person"
        assert (str(RMA) in reason, str(RMA + 1) in reason) == (True, True)
        assert [entry.row_id for entry in await read_inbox(shop.channel.engine)] == [row]
        await shop.erp.update(RETURN, row, emag_return_id=str(RMA + 1))
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert await linked(shop, row) == str(RMA + 1)

    async def test_one_that_matches_no_product_is_not_linked(self, shop: Shop) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, {"product_id": "1003", "sku": "TIG-28"})
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "waiting:emag_return"
        assert status(shop) == 2

    async def test_one_that_another_row_is_linked_to_does_not_count(self, shop: Shop) -> None:
        opened(shop, 2, RMA)
        first = await shop.erp.add(RETURN, ORDER, MUG, status="pending")
        await shop.run(RETURN)
        opened(shop, 2, RMA + 1)
        second = await shop.erp.add(RETURN, ORDER, MUG, status="pending")
        await shop.run(RETURN)
        assert (await linked(shop, first), await linked(shop, second)) == (str(RMA), str(RMA + 1))

    async def test_two_rows_of_one_run_are_not_linked_to_the_same_one(self, shop: Shop) -> None:
        opened(shop, 2)
        rows = [await shop.erp.add(RETURN, ORDER, MUG) for _ in range(2)]
        await shop.run(RETURN)
        states = [await shop.state(RETURN, row) for row in rows]
        assert sorted(states) == ["synced", "waiting:emag_return"]
        assert moves(shop) == [3]

    async def test_one_that_waits_is_told_whose_the_order_s_return_is(self, shop: Shop) -> None:
        opened(shop, 2)
        first, second = [await shop.erp.add(RETURN, ORDER, MUG) for _ in range(2)]
        await shop.run(RETURN)
        await shop.run(RETURN)
        owner, waiting = first, second
        if await shop.state(RETURN, first) != "synced":
            owner, waiting = second, first
        assert f"(RMA {RMA} belongs to rma:{owner})" in await shop.reason(RETURN, waiting)

    async def test_with_none_open_a_closed_one_in_the_wanted_state_is_linked(
        self, shop: Shop
    ) -> None:
        opened(shop, 5, RMA)
        opened(shop, 7, RMA + 1)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        report = await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert await linked(shop, row) == str(RMA + 1)
        assert "rma/save" not in report.requests

    async def test_an_open_one_comes_before_a_closed_one(self, shop: Shop) -> None:
        opened(shop, 5, RMA)
        opened(shop, 2, RMA + 1)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="cancelled")
        await shop.run(RETURN)
        assert await linked(shop, row) == str(RMA + 1)
        assert status(shop, RMA + 1) == 5


class TestANamedReturn:
    async def test_the_one_that_the_row_names_is_taken(self, shop: Shop) -> None:
        opened(shop, 2, RMA)
        opened(shop, 2, RMA + 1)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=f" {RMA + 1} ")
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert (status(shop, RMA), status(shop, RMA + 1)) == (2, 3)

    async def test_an_unknown_one_is_refused(self, shop: Shop) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA + 5))
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert "correct emag_return_id" in await shop.reason(RETURN, row)
        assert status(shop) == 2

    async def test_one_of_another_order_is_refused(self, shop: Shop) -> None:
        opened(shop, 2, order=ORDER + 1)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA))
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert str(ORDER + 1) in await shop.reason(RETURN, row)

    async def test_one_that_belongs_to_another_row_is_refused(self, shop: Shop) -> None:
        opened(shop, 2)
        await shop.erp.add(RETURN, ORDER, status="pending")
        await shop.run(RETURN)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA))
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert "another return" in await shop.reason(RETURN, row)


class TestLinkedTheWrongWayRound:
    """Two rows of one order, each of which holds the RMA of the other."""

    @pytest.mark.parametrize("word", ["pending", "approved"])
    async def test_the_message_says_a_way_to_swap_them(self, shop: Shop, word: str) -> None:
        opened(shop, 2)
        opened(shop, 2, RMA + 1)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA), status=word)
        other = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA + 1), status=word)
        await shop.run(RETURN)
        await shop.erp.update(RETURN, row, emag_return_id=str(RMA + 1))
        await shop.erp.update(RETURN, other, emag_return_id=str(RMA))
        await shop.run(RETURN)
        assert (await shop.reason(RETURN, row)).endswith(
            "If each is to have the other's RMA, empty emag_order_id here, run the sync, replay"
            f" rma:{other}, run the sync, and put emag_order_id back."
        )

        await shop.erp.update(RETURN, row, emag_order_id=None)
        await shop.run(RETURN)
        await shop.replay(RETURN, other)
        await shop.run(RETURN)
        await shop.erp.update(RETURN, row, emag_order_id=str(ORDER))
        await shop.run(RETURN)

        rows = (row, other)
        assert [await shop.state(RETURN, each) for each in rows] == ["synced", "synced"]
        assert [await linked(shop, each) for each in rows] == [str(RMA + 1), str(RMA)]
        held = [(await shop.erp.row(RETURN, each))["emag_return_id"] for each in rows]
        assert held == [str(RMA + 1), str(RMA)]

    async def test_one_that_holds_none_yet_is_linked_once_the_other_is_corrected(
        self, shop: Shop
    ) -> None:
        opened(shop, 2)
        opened(shop, 2, RMA + 1)
        other = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA), status="pending")
        await shop.run(RETURN)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA), status="pending")
        await shop.run(RETURN)
        reason = await shop.reason(RETURN, row)
        assert f"correct emag_return_id of one of the two, then replay rma:{row}." in reason

        await shop.erp.update(RETURN, other, emag_return_id=str(RMA + 1))
        await shop.run(RETURN)
        await shop.replay(RETURN, row)
        await shop.run(RETURN)

        assert [await linked(shop, each) for each in (row, other)] == [str(RMA), str(RMA + 1)]


class TestTheWay:
    @pytest.mark.parametrize(
        ("word", "was", "way"),
        [
            ("approved", 2, [3]),
            ("processing", 2, [3, 6]),
            ("completed", 2, [3, 6, 7]),
            ("completed", 6, [7]),
            ("cancelled", 2, [5]),
            ("cancelled", 3, [5]),
            ("rejected", 6, [4]),
        ],
    )
    async def test_each_word_of_the_erp_is_reached_along_the_legal_path(
        self, shop: Shop, word: str, was: int, way: list[int]
    ) -> None:
        opened(shop, was)
        row = await shop.erp.add(RETURN, ORDER, MUG, status=word)
        report = await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert moves(shop) == way
        assert sum(report.requests.values()) == 2 * len(way)

    async def test_a_rejection_waits_until_emag_has_the_goods_and_is_sent_then(
        self, shop: Shop
    ) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="rejected")
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "waiting:emag_received"
        assert await linked(shop, row) == str(RMA)
        shop.market.courier_picks_up_return(RMA)
        await shop.later()
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "waiting:emag_received"
        assert moves(shop) == []
        shop.market.courier_delivers_return(RMA)
        await shop.later()
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert moves(shop) == [4]

    @pytest.mark.parametrize(
        ("word", "there"), [("approved", 6), ("approved", 7), ("processing", 7), ("rejected", 4)]
    )
    async def test_what_emag_has_already_or_has_gone_beyond_is_synced_without_a_write(
        self, shop: Shop, word: str, there: int
    ) -> None:
        opened(shop, there)
        row = await shop.erp.add(RETURN, ORDER, status=word, emag_return_id=str(RMA))
        report = await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert report.requests == {"rma/read": 1}

    @pytest.mark.parametrize(
        ("word", "there", "called"),
        [
            ("completed", 5, "5 canceled"),
            ("approved", 4, "4 refused"),
            ("rejected", 7, "7 finalized"),
            ("cancelled", 6, "6 received"),
        ],
    )
    async def test_a_way_that_does_not_exist_is_refused_with_both_sides_shown(
        self, shop: Shop, word: str, there: int, called: str
    ) -> None:
        opened(shop, there)
        row = await shop.erp.add(RETURN, ORDER, status=word, emag_return_id=str(RMA))
        report = await shop.run(RETURN)
        reason = await shop.reason(RETURN, row)
        assert await shop.state(RETURN, row) == "refused"
        assert (word in reason, called in reason) == (True, True)
        assert "rma/save" not in report.requests

    async def test_a_completed_return_never_changes_its_order(self, shop: Shop) -> None:
        opened(shop, 6)
        await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        await shop.run(RETURN)
        assert status(shop) == 7
        assert [each for each in routes(shop) if each.startswith("order")] == []
        found = shop.market.orders.get(ORDER)
        assert found is not None
        assert found["status"] == 4

    async def test_the_erp_decides_step_by_step(self, shop: Shop) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="pending")
        for word in ("approved", "processing", "completed"):
            await shop.run(RETURN)
            await shop.erp.update(RETURN, row, status=word)
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert moves(shop) == [3, 6, 7]

    async def test_an_unknown_word_is_refused_with_the_words_that_are_known(
        self, shop: Shop
    ) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="lost")
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert "processing" in await shop.reason(RETURN, row)


class TestFulfilledByEmag:
    async def test_a_return_that_only_emag_may_change_is_refused_with_that_reason(
        self, shop: Shop
    ) -> None:
        opened(shop, 2, type=2)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA))
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert "fulfilled by eMAG" in await shop.reason(RETURN, row)
        assert status(shop) == 2

    async def test_it_is_linked_all_the_same(self, fbe: Shop) -> None:
        opened(fbe, 3, type=2)
        row = await fbe.erp.add(RETURN, ORDER, MUG, status="approved", account_type="fbe")
        await fbe.run(RETURN)
        assert await fbe.state(RETURN, row) == "synced"
        assert await linked(fbe, row) == str(RMA)


class TestTheEndOfARow:
    async def test_a_row_deleted_before_anything_was_sent_is_withdrawn(self, shop: Shop) -> None:
        shop.market.add_order({"id": ORDER, "status": 4})
        row = await shop.erp.add(RETURN, ORDER)
        await shop.run(RETURN)
        await shop.erp.delete(RETURN, row)
        opened(shop, 2)
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "withdrawn"
        assert status(shop) == 2

    async def test_a_row_deleted_while_its_answer_was_lost_is_refused_with_both_sides_shown(
        self, shop: Shop
    ) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, emag_return_id=str(RMA))
        shop.market.faults.add("rma/save", point="after_effect", kind="cut_body")
        await shop.run(RETURN)
        await shop.erp.delete(RETURN, row)
        await shop.later()
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "refused"
        assert "deleted" in await shop.reason(RETURN, row)


class TestWhatIsWrittenDown:
    async def test_each_status_of_emag_has_its_word_in_our_books_and_in_the_erp(
        self, shop: Shop
    ) -> None:
        words = {
            2: "new",
            3: "approved",
            4: "rejected",
            5: "cancelled",
            6: "in_progress",
            7: "completed",
        }
        rows = {}
        for there in words:
            opened(shop, there, RMA + there, ORDER + there)
            rows[there] = await shop.erp.add(
                RETURN, ORDER + there, status="pending", emag_return_id=str(RMA + there)
            )
        await shop.run(RETURN)
        books = {each: await shop.books(RETURN, row) for each, row in rows.items()}
        erp = {each: await shop.erp.row(RETURN, row) for each, row in rows.items()}
        assert {each: row["emag_status"] for each, row in books.items()} == words
        assert {each: row["emag_status"] for each, row in erp.items()} == words
        assert {row["sync_state"] for row in books.values()} == {"synced"}

    async def test_the_erp_learns_the_rma_and_its_status_and_keeps_its_own_columns(
        self, shop: Shop
    ) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="processing")
        before = await shop.erp.row(RETURN, row)
        await shop.run(RETURN)
        after = await shop.erp.row(RETURN, row)
        assert after == {**before, "emag_return_id": str(RMA), "emag_status": "in_progress"}

    async def test_the_last_answer_is_kept_as_json(self, shop: Shop) -> None:
        opened(shop, 2)
        row = await shop.erp.add(RETURN, ORDER, MUG)
        await shop.run(RETURN)
        said = json.loads((await shop.books(RETURN, row))["emag_response"])
        assert (said["verdict"], said["http_status"]) == ("applied", 200)

    async def test_an_erp_that_was_there_first_is_served_in_its_own_words(
        self, erp_first: Shop
    ) -> None:
        opened(erp_first, 2)
        row = await erp_first.erp.add(RETURN, ORDER, {"product_id": 1001}, status="COMPLETED")
        await erp_first.run(RETURN)
        assert moves(erp_first) == [3, 6, 7]
        written = await erp_first.erp.row(RETURN, row)
        assert (written["emag_return_id"], written["emag_status"]) == (str(RMA), "COMPLETED")
        assert written["status"] == "COMPLETED"
        assert (await erp_first.books(RETURN, row))["emag_status"] == "COMPLETED"


class TestTheOrdersNumber:
    async def test_a_row_without_a_usable_one_is_refused_without_a_request(
        self, shop: Shop
    ) -> None:
        rows = [await shop.erp.add(RETURN, each) for each in (None, "abc", "0", "4294967296")]
        await shop.run(RETURN)
        assert [await shop.state(RETURN, row) for row in rows] == ["refused"] * 4
        assert shop.market.journal.requests == []


class TestManyReturns:
    async def test_open_ones_are_read_by_the_page_not_one_by_one(self, shop: Shop) -> None:
        orders = range(ORDER, ORDER + 120)
        for each, order in enumerate(orders):
            opened(shop, 2, RMA + each, order)
            await shop.erp.add(RETURN, order, MUG, status="approved")
        report = await shop.run(RETURN)
        assert report.rows[State.SYNCED] == 120
        assert {status(shop, RMA + each) for each in range(120)} == {3}
        assert sum(report.requests.values()) <= 0.3 * 120

    async def test_rows_that_move_between_pages_are_neither_lost_nor_moved_twice(
        self, shop: Shop
    ) -> None:
        shop.switch(page_shift=True)
        orders = range(ORDER, ORDER + 105)
        for each, order in enumerate(orders):
            opened(shop, 2, RMA + each, order)
            await shop.erp.add(RETURN, order, MUG, status="pending")
        report = await shop.run(RETURN)
        assert report.rows[State.SYNCED] == 105
        links = await shop.sql("SELECT emag_return_id FROM app.emag_return_integrations")
        assert len({link["emag_return_id"] for link in links}) == 105


DISAGREEING: Mapping[str, Mapping[str, Any]] = {
    "unknown fields": {"unknown_fields": True},
    "numbers as texts": {"strings_for_numbers": True, "unknown_fields": True},
    "product ids as numbers": {"product_id_numbers": True, "rma_read_default_type": 3},
    "empty objects": {"empty_objects": "object"},
    "empty nulls": {"empty_objects": "null", "null_filters": "refused"},
    "lists of statuses": {"rma_status_list": True, "partial_rma_save": True},
    "strict": {"clip_page_size": False, "message_key": "message"},
}


@pytest.mark.parametrize("switches", DISAGREEING.values(), ids=DISAGREEING.keys())
async def test_the_same_happens_whichever_way_emag_behaves(
    shop: Shop, switches: Mapping[str, Any]
) -> None:
    shop.switch(**switches)
    opened(shop, 2)
    opened(shop, 3, RMA + 1, ORDER + 1)
    row = await shop.erp.add(RETURN, ORDER, MUG, status="processing")
    waiting = await shop.erp.add(RETURN, ORDER + 1, MUG, status="rejected")
    await shop.run(RETURN)
    await shop.replay(RETURN, row)
    await shop.run(RETURN)
    assert await shop.state(RETURN, row) == "synced"
    assert await shop.state(RETURN, waiting) == "waiting:emag_received"
    assert (moves(shop), moves(shop, RMA + 1)) == ([3, 6], [])


async def test_a_save_sends_back_every_field_that_was_read(shop: Shop) -> None:
    shop.switch(unknown_fields=True)
    opened(shop, 2)
    await shop.erp.add(RETURN, ORDER, MUG)
    await shop.run(RETURN)
    [saved] = await shop.sent("rma/save")
    there = shop.market.returns.get(RMA)
    assert there is not None
    assert there.keys() | {"sandbox_inspection"} == saved.keys()
    assert saved["sandbox_inspection"] == [{"step": "foto", "done": False}]
