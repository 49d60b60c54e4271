"""order/save and order/acknowledge: what a seller may do to an order, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from .conftest import ORDER, Clock, Seller

# from: statuses that order/save may set, as the documentation's table has it
LEGAL = {
    0: {0, 2, 3, 4},
    1: set(),
    2: {0, 2, 3, 4},
    3: {0, 3, 4},
    4: {0, 3, 4, 5},
    5: set(),
}
TWO_LINES = [{"product_id": "1001", "quantity": 2}, {"product_id": "1003", "quantity": 1}]


def saved(answer: Any) -> bool:
    return answer["isError"] is False


def lines_of(order: Any) -> list[tuple[str, int, int, int]]:
    return [
        (line["product_id"], line["quantity"], line["storno_qty"], line["status"])
        for line in order["products"]
    ]


class TestStatusMatrix:
    @pytest.mark.parametrize(("was", "to"), list(product(range(6), range(6))))
    async def test_every_pair(self, seller: Seller, was: int, to: int) -> None:
        seller.market.add_order({"id": ORDER, "status": was})
        answer = await seller.save(status=to, reason_cancellation=24)
        legal = to in LEGAL[was]
        assert saved(answer) == legal
        assert (await seller.order())["status"] == (to if legal else was)
        moved = [(e.from_, e.to) for e in seller.market.journal.effects_of("order.status", ORDER)]
        assert moved == ([(was, to)] if legal and was != to else [])
        assert seller.broken_rules() == ([] if legal else ["matrix"])
        if not legal:
            assert answer["messages"][0].endswith(f" - Order id: {ORDER}")

    @pytest.mark.parametrize("to", [-1, 6, "x", None, True, [4]])
    async def test_what_is_no_status_is_refused(self, seller: Seller, to: object) -> None:
        seller.market.add_order({"id": ORDER, "status": 3})
        assert not saved(await seller.save(status=to))

    async def test_returned_may_stay_returned_by_switch(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 5})
        seller.switch(returned_resave=True)
        assert saved(await seller.save(status=5))


class TestWindows:
    @pytest.mark.parametrize(("was", "to"), [(4, 0), (4, 3), (0, 2), (0, 3), (0, 4)])
    @pytest.mark.parametrize(("late", "legal"), [(0, True), (1, False)])
    async def test_48_hours(
        self, seller: Seller, clock: Clock, was: int, to: int, late: int, legal: bool
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": was, "modified": clock.now()})
        clock.pass_time(hours=48, seconds=late)
        assert saved(await seller.save(status=to, reason_cancellation=24)) == legal
        assert seller.broken_rules() == ([] if legal else ["window"])

    async def test_they_count_from_the_finalization_not_from_later_changes(
        self, seller: Seller, clock: Clock
    ) -> None:
        then = clock.now() - timedelta(hours=49)
        seller.market.add_order(
            {"id": ORDER, "status": 4, "finalization_date": then, "modified": clock.now()}
        )
        assert not saved(await seller.save(status=0, reason_cancellation=24))

    @pytest.mark.parametrize("days", [0, 14, 30])
    @pytest.mark.parametrize(("late", "legal"), [(0, True), (1, False)])
    @pytest.mark.parametrize("partly", [False, True])
    async def test_storno_within_return_time_and_five_days(
        self, seller: Seller, clock: Clock, days: int, late: int, legal: bool, partly: bool
    ) -> None:
        seller.switch(return_window_days=days)
        order = seller.market.add_order(
            {"id": ORDER, "status": 4, "finalization_date": clock.now(), "products": TWO_LINES}
        )
        clock.pass_time(days=days + 5, seconds=late)
        first, second = order["products"]
        fewer = {"is_storno": True, "products": [{**first, "quantity": 1}, second]}
        assert saved(await seller.save(**(fewer if partly else {"status": 5}))) == legal
        assert seller.broken_rules() == ([] if legal else ["window"])

    async def test_finalizing_starts_them_anew(self, seller: Seller, clock: Clock) -> None:
        seller.market.add_order({"id": ORDER, "status": 3})
        clock.pass_time(days=9)
        await seller.save(status=4)
        assert (await seller.order())["finalization_date"] == "2026-03-29 13:00:00"  # summer time
        clock.pass_time(hours=47)
        assert saved(await seller.save(status=3))


class TestAcknowledge:
    async def test_new_becomes_in_progress_once(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        answer = await seller.post(f"order/acknowledge/{ORDER}", [])
        assert (seller.status, answer["isError"], answer["results"]) == (200, False, [])
        assert (await seller.order())["status"] == 2
        answer = await seller.post(f"order/acknowledge/{ORDER}", [])
        assert (seller.status, answer) == (
            400,
            {
                "isError": True,
                "messages": ["ERROR: Order is already in progress."],
                "errors": [],
                "results": [],
            },
        )
        assert len(seller.market.journal.effects_of("acknowledge", ORDER)) == 1
        assert seller.broken_rules() == ["matrix"]

    async def test_twice_may_be_an_error_inside_200(self, seller: Seller) -> None:
        seller.switch(acknowledge_twice=200)
        seller.market.add_order({"id": ORDER, "status": 2})
        answer = await seller.post(f"order/acknowledge/{ORDER}")
        assert (seller.status, answer["isError"]) == (200, True)

    @pytest.mark.parametrize("status", [0, 3, 4, 5])
    async def test_nothing_but_new_orders(self, seller: Seller, status: int) -> None:
        seller.market.add_order({"id": ORDER, "status": status})
        assert not saved(await seller.post(f"order/acknowledge/{ORDER}"))
        assert (await seller.order())["status"] == status

    async def test_not_what_emag_fulfils_and_not_what_is_unknown(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 1, "type": 2})
        assert not saved(await seller.post(f"order/acknowledge/{ORDER}"))
        assert not saved(await seller.post("order/acknowledge/99"))
        assert seller.broken_rules() == ["rule", "rule"]

    async def test_unlocking_the_courier(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "enforced_vendor_courier_accounts": [7]})
        assert saved(await seller.post(f"order/{ORDER}/unlock-courier"))
        assert (await seller.order())["enforced_vendor_courier_accounts"] is None
        assert not saved(await seller.post("order/99/unlock-courier"))


class TestCancelling:
    async def test_the_reason_is_saved_as_a_number_and_read_as_an_object(
        self, seller: Seller
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": 2})
        assert saved(await seller.save(status=0, reason_cancellation=33))
        reason = (await seller.order())["reason_cancellation"]
        assert reason["id"] == 33
        assert reason["name"]

    @pytest.mark.parametrize("reason", [None, 99, "x", []])
    async def test_without_a_known_reason_it_is_refused(
        self, seller: Seller, reason: object
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": 2})
        assert not saved(await seller.save(status=0, reason_cancellation=reason))
        seller.switch(reason_required=False)
        assert saved(await seller.save(status=0, reason_cancellation=reason)) == (reason != 99)

    async def test_the_object_that_was_read_is_taken_only_by_switch(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 0, "reason_cancellation": 24})
        assert not saved(await seller.save(status=2))
        seller.switch(echo_reason_object=True)
        assert saved(await seller.save(status=2))
        assert (await seller.order())["reason_cancellation"] is None


class TestEditing:
    @pytest.mark.parametrize("status", [2, 3])
    async def test_quantities_go_up_and_down(self, seller: Seller, status: int) -> None:
        order = seller.market.add_order({"id": ORDER, "status": status, "products": TWO_LINES})
        first, second = order["products"]
        answer = await seller.save(products=[{**first, "quantity": 1}, {**second, "quantity": 4}])
        assert saved(answer)
        assert lines_of(await seller.order()) == [("1001", 1, 0, 1), ("1003", 4, 0, 1)]
        changes = [(e.line, e.from_, e.to) for e in seller.market.journal.effects]
        assert changes == [(first["id"], 2, 1), (second["id"], 1, 4)]

    async def test_a_line_is_cancelled_by_its_own_status(self, seller: Seller) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2, "products": TWO_LINES})
        first, second = order["products"]
        assert saved(await seller.save(products=[{**first, "status": 0}, second]))
        assert lines_of(await seller.order()) == [("1001", 2, 0, 0), ("1003", 1, 0, 1)]
        assert not saved(await seller.save(products=[{**first, "status": 1}, second]))

    async def test_lines_left_out_are_removed_silently(self, seller: Seller) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2, "products": TWO_LINES})
        assert saved(await seller.save(products=order["products"][:1]))
        assert lines_of(await seller.order()) == [("1001", 2, 0, 1), ("1003", 1, 0, 0)]
        kinds = [effect.kind for effect in seller.market.journal.effects]
        assert kinds == ["order.line.status"]

    async def test_lines_left_out_are_kept_by_switch(self, seller: Seller) -> None:
        seller.switch(missing_lines="keep")
        order = seller.market.add_order({"id": ORDER, "status": 2, "products": TWO_LINES})
        assert saved(await seller.save(products=order["products"][:1]))
        assert lines_of(await seller.order()) == [("1001", 2, 0, 1), ("1003", 1, 0, 1)]
        assert seller.market.journal.effects == []

    async def test_removed_lines_are_not_shown_by_switch(self, seller: Seller) -> None:
        seller.switch(zero_lines="dropped")
        order = seller.market.add_order({"id": ORDER, "status": 2, "products": TWO_LINES})
        await seller.save(products=order["products"][:1])
        assert lines_of(await seller.order()) == [("1001", 2, 0, 1)]
        assert saved(await seller.save(status=3))

    async def test_lines_are_added(self, seller: Seller) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2})
        new = {"product_id": "1008", "name": "Cablu", "status": 1, "sale_price": "10.0000"}
        assert saved(await seller.save(products=[*order["products"], new]))
        assert (await seller.order())["products"][-1]["name"] == "Cablu"
        assert not saved(await seller.save(products=[*order["products"], {"product_id": "1"}]))

    @pytest.mark.parametrize(
        "change",
        [
            {"quantity": 1},
            {"status": 0},
            {"quantity": 0},
        ],
    )
    @pytest.mark.parametrize("status", [2, 3])
    async def test_card_orders_never_shrink(
        self, seller: Seller, change: dict[str, int], status: int
    ) -> None:
        order = seller.market.add_order(
            {"id": ORDER, "status": status, "payment_mode_id": 3, "products": TWO_LINES}
        )
        first, second = order["products"]
        assert not saved(await seller.save(products=[{**first, **change}, second]))
        assert not saved(await seller.save(products=[first]))
        assert saved(await seller.save(products=[{**first, "quantity": 5}, second]))
        assert saved(await seller.save(status=0, reason_cancellation=24))

    @pytest.mark.parametrize(
        "change",
        [
            {"sale_price": "1.0000"},
            {"product_id": "1009"},
            {"part_number": "X"},
            {"ext_part_number": "X"},
            {"quantity": -1},
            {"quantity": 1.5},
            {"quantity": "many"},
            {"status": 2},
        ],
    )
    async def test_prices_products_and_nonsense_are_refused(
        self, seller: Seller, change: dict[str, Any]
    ) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2, "products": TWO_LINES})
        first, second = order["products"]
        assert not saved(await seller.save(products=[{**first, **change}, second]))
        assert lines_of(await seller.order()) == [("1001", 2, 0, 1), ("1003", 1, 0, 1)]
        assert seller.market.journal.effects == []

    @pytest.mark.parametrize("products", [None, "x", {}, 5])
    async def test_products_that_are_no_list_are_refused(
        self, seller: Seller, products: object
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": 2, "products": TWO_LINES})
        assert not saved(await seller.save(products=products))

    async def test_a_price_may_be_written_another_way(self, seller: Seller) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2})
        lines = [{**line, "sale_price": float(line["sale_price"])} for line in order["products"]]
        assert saved(await seller.save(products=lines))

    @pytest.mark.parametrize("was", [0, 4])
    async def test_only_orders_in_progress_or_prepared(self, seller: Seller, was: int) -> None:
        order = seller.market.add_order({"id": ORDER, "status": was, "products": TWO_LINES})
        first, second = order["products"]
        lines = [{**first, "quantity": 1}, second]
        answer = await seller.save(status=3, products=lines, reason_cancellation=None)
        assert not saved(answer)
        assert (await seller.order())["status"] == was


class TestAllFields:
    @pytest.mark.parametrize("field", ["vouchers", "payment_mode_id", "products", "observation"])
    async def test_every_field_that_was_read_has_to_be_sent(
        self, seller: Seller, field: str
    ) -> None:
        order = dict(seller.market.add_order({"id": ORDER, "status": 2}))
        del order[field]
        assert not saved(await seller.post("order/save", [{**order, "status": 3}]))
        seller.switch(require_all_fields=False)
        assert saved(await seller.post("order/save", [{**order, "status": 3}]))

    async def test_the_same_inside_lines_and_customer(self, seller: Seller) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2})
        line = {k: v for k, v in order["products"][0].items() if k != "campaign"}
        assert not saved(await seller.save(products=[line, *order["products"][1:]]))
        assert not saved(await seller.save(customer={"name": "x"}))

    async def test_fields_that_nobody_could_foresee_have_to_come_back_too(
        self, seller: Seller
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": 2})
        seller.switch(unknown_fields=True)
        read = await seller.order()
        assert saved(await seller.post("order/save", [{**read, "status": 3}]))
        assert not saved(await seller.post("order/save", [{**read, "sandbox_promise": None}]))
        del read["sandbox_promise"]
        assert not saved(await seller.post("order/save", [read]))

    async def test_three_fields_cancel_an_order_by_switch(self, seller: Seller) -> None:
        seller.switch(require_all_fields=False)
        seller.market.add_order({"id": ORDER, "status": 2})
        small = {"id": ORDER, "status": 0, "reason_cancellation": 3}
        assert saved(await seller.post("order/save", [small]))


class TestStorno:
    @pytest.fixture(autouse=True)
    def finalized(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 4, "products": TWO_LINES})

    async def test_partly_the_order_stays_finalized_with_less_in_it(self, seller: Seller) -> None:
        first, second = (await seller.order())["products"]
        lines = [{**first, "quantity": 1}, second]
        assert saved(await seller.save(is_storno=True, products=lines))
        order = await seller.order()
        assert order["status"] == 4
        assert lines_of(order) == [("1001", 1, 1, 1), ("1003", 1, 0, 1)]
        effects = [(e.kind, e.line, e.from_, e.to) for e in seller.market.journal.effects]
        assert effects == [("order.storno", first["id"], 2, 1)]

    @pytest.mark.parametrize("gone", [{"quantity": 0}, {"status": 0}])
    async def test_a_line_may_go_wholly(self, seller: Seller, gone: dict[str, int]) -> None:
        first, second = (await seller.order())["products"]
        assert saved(await seller.save(is_storno=True, products=[{**first, **gone}, second]))
        line = (await seller.order())["products"][0]
        assert (line["quantity"], line["storno_qty"]) == (0, 2)

    async def test_the_whole_order(self, seller: Seller) -> None:
        assert saved(await seller.save(status=5))
        order = await seller.order()
        assert order["status"] == 5
        assert [line["storno_qty"] for line in order["products"]] == [2, 1]

    async def test_when_the_last_piece_is_back_the_order_is_returned(self, seller: Seller) -> None:
        first, second = (await seller.order())["products"]
        await seller.save(is_storno=True, products=[{**first, "quantity": 0}, second])
        first, second = (await seller.order())["products"]
        await seller.save(is_storno=True, products=[first, {**second, "quantity": 0}])
        assert (await seller.order())["status"] == 5
        (moved,) = seller.market.journal.effects_of("order.status")
        assert (moved.from_, moved.to, moved.by) == (4, 5, "emag")

    async def test_what_came_back_adds_up(self, seller: Seller) -> None:
        for left in (1, 0):
            first, second = (await seller.order())["products"]
            await seller.save(is_storno=True, products=[{**first, "quantity": left}, second])
        line = (await seller.order())["products"][0]
        assert (line["initial_qty"], line["quantity"], line["storno_qty"]) == (2, 0, 2)

    async def test_change_without_storno_is_discarded(self, seller: Seller) -> None:
        first, second = (await seller.order())["products"]
        assert not saved(await seller.save(products=[{**first, "quantity": 1}, second]))

    async def test_storno_without_change_is_discarded(self, seller: Seller) -> None:
        assert not saved(await seller.save(is_storno=True))

    @pytest.mark.parametrize("status", [2, 3, 0])
    async def test_storno_of_what_is_not_finalized_is_discarded(
        self, seller: Seller, status: int
    ) -> None:
        seller.market.add_order({"id": 7, "status": status, "products": TWO_LINES})
        first, second = (await seller.order(7))["products"]
        lines = [{**first, "quantity": 1}, second]
        fields = {"is_storno": True, "products": lines, "reason_cancellation": None}
        assert not saved(await seller.save(7, **fields))

    async def test_a_negative_quantity_is_discarded(self, seller: Seller) -> None:
        first, second = (await seller.order())["products"]
        assert not saved(
            await seller.save(is_storno=True, products=[{**first, "quantity": -1}, second])
        )

    async def test_storno_never_adds(self, seller: Seller) -> None:
        first, second = (await seller.order())["products"]
        lines = [{**first, "quantity": 1}, {**second, "quantity": 2}]
        assert not saved(await seller.save(is_storno=True, products=lines))

    async def test_lines_left_out_of_a_storno_stay(self, seller: Seller) -> None:
        first, _ = (await seller.order())["products"]
        assert saved(await seller.save(is_storno=True, products=[{**first, "quantity": 1}]))
        assert lines_of(await seller.order()) == [("1001", 1, 1, 1), ("1003", 1, 0, 1)]

    async def test_card_orders_can_be_returned_in_part_unless_switched(
        self, seller: Seller
    ) -> None:
        seller.market.add_order({"id": 7, "status": 4, "payment_mode_id": 3, "products": TWO_LINES})
        first, second = (await seller.order(7))["products"]
        lines = [{**first, "quantity": 1}, second]
        seller.switch(card_partial_storno=False)
        assert not saved(await seller.save(7, is_storno=True, products=lines))
        seller.switch(card_partial_storno=True)
        assert saved(await seller.save(7, is_storno=True, products=lines))

    async def test_a_partial_storno_can_not_change_the_status(self, seller: Seller) -> None:
        first, second = (await seller.order())["products"]
        lines = [{**first, "quantity": 1}, second]
        assert not saved(
            await seller.save(status=0, is_storno=True, products=lines, reason_cancellation=24)
        )


class TestFulfilledByEmag:
    @pytest.mark.parametrize("status", range(6))
    async def test_nothing_of_such_an_order_can_be_saved(self, seller: Seller, status: int) -> None:
        order = seller.market.add_order({"id": ORDER, "status": status, "type": 2})
        assert not saved(await seller.post("order/save", [order]))


class TestBulk:
    async def test_only_the_items_that_are_named_were_not_taken(self, seller: Seller) -> None:
        orders = [dict(seller.market.add_order({"id": n, "status": n})) for n in (1, 2, 3)]
        answer = await seller.post("order/save", [{**order, "status": 3} for order in orders])
        assert answer["isError"] is True
        assert [text.split(" - ")[-1] for text in answer["messages"]] == ["Order id: 1"]
        assert [(await seller.order(n))["status"] for n in (1, 2, 3)] == [1, 3, 3]

    async def test_modified_advances(self, seller: Seller, clock: Clock) -> None:
        before = seller.market.add_order({"id": ORDER, "status": 2})["modified"]
        clock.pass_time(minutes=5)
        await seller.save(status=3)
        assert (await seller.order())["modified"] == "2026-03-20 12:05:00" > before

    @pytest.mark.parametrize("nonsense", [5, "x", None, [], {"id": "x"}, {}, {"id": 77}])
    async def test_nonsense_is_refused_by_itself(self, seller: Seller, nonsense: object) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2})
        answer = await seller.post("order/save", [nonsense, {**order, "status": 3}])
        assert len(answer["messages"]) == 1
        assert (await seller.order())["status"] == 3
