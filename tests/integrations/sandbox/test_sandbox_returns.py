"""rma/save: which way a return may go, and what a save has to carry."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from .conftest import ORDER, RETURN, Clock, Seller

# from: statuses that rma/save may set, as the documentation's table has it
LEGAL = {1: "", 2: "235", 3: "356", 4: "4", 5: "5", 6: "467", 7: "7"}


def saved(answer: Any) -> bool:
    return answer["isError"] is False


@pytest.mark.parametrize(("was", "to"), list(product(range(1, 8), range(8))))
async def test_every_pair_of_statuses(seller: Seller, was: int, to: int) -> None:
    seller.market.add_return({"emag_id": RETURN, "request_status": was})
    answer = await seller.save_rma(request_status=to)
    legal = str(to) in LEGAL[was]
    assert saved(answer) == legal
    assert (await seller.rma())["request_status"] == (to if legal else was)
    moved = [(e.from_, e.to) for e in seller.market.journal.effects_of("rma.status", RETURN)]
    assert moved == ([(was, to)] if legal and was != to else [])
    assert seller.broken_rules() == ([] if legal else ["matrix"])
    if legal:
        outcome = {"emag_id": RETURN, "request_status": to}
        assert outcome.items() <= answer["results"][0][0].items()


async def test_an_error_names_the_return_and_echoes_what_was_sent(seller: Seller) -> None:
    seller.market.add_return({"emag_id": RETURN, "request_status": 6})
    answer = await seller.save_rma(request_status=7, customer_name="")
    assert answer["messages"] == [f"ERROR: please provide the customer name - Rma id: {RETURN}"]
    assert answer["results"][0][0]["emag_id"] == RETURN
    assert (await seller.rma())["request_status"] == 6


@pytest.mark.parametrize(
    "field",
    [
        *("order_id", "type", "customer_name", "customer_phone", "pickup_country"),
        *("pickup_suburb", "pickup_city", "pickup_address", "pickup_locality_id"),
        *("pickup_method", "return_type", "return_reason", "date", "products"),
    ],
)
async def test_required_fields(seller: Seller, field: str) -> None:
    rma = dict(seller.market.add_return({"emag_id": RETURN, "request_status": 2}))
    del rma[field]
    assert not saved(await seller.post("rma/save", [{**rma, "request_status": 3}]))
    seller.switch(partial_rma_save=True)
    assert saved(await seller.post("rma/save", [{**rma, "request_status": 3}]))


@pytest.mark.parametrize("field", ["id", "product_id", "quantity", "product_name", "return_reason"])
async def test_required_fields_of_lines(seller: Seller, field: str) -> None:
    line = dict(seller.market.add_return({"emag_id": RETURN})["products"][0])
    del line[field]
    assert not saved(await seller.save_rma(request_status=3, products=[line]))


async def test_some_reasons_need_the_customers_words(seller: Seller) -> None:
    seller.market.add_return({"emag_id": RETURN, "return_reason": 39})
    assert not saved(await seller.save_rma(request_status=3, observations=""))
    assert saved(await seller.save_rma(request_status=3, observations="Alt produs"))


async def test_what_is_noted_on_lines_is_kept(seller: Seller) -> None:
    line = seller.market.add_return({"emag_id": RETURN, "request_status": 6})["products"][0]
    answer = await seller.save_rma(
        request_status=4, return_tax_value="15.0000", products=[{**line, "reject_reason": 2}]
    )
    assert saved(answer)
    rma = await seller.rma()
    assert (rma["return_tax_value"], rma["products"][0]["reject_reason"]) == ("15.0000", 2)


async def test_returns_of_goods_that_emag_keeps_are_not_the_sellers(seller: Seller) -> None:
    seller.market.add_return({"emag_id": RETURN, "type": 2, "request_status": 6})
    assert not saved(await seller.save_rma(request_status=7))
    seller.switch(fbe_rma_save=True)
    assert saved(await seller.save_rma(request_status=7))


async def test_unknown_returns_lines_and_orders_are_refused(seller: Seller) -> None:
    rma = seller.market.add_return({"emag_id": RETURN, "order_id": ORDER})
    assert not saved(await seller.post("rma/save", [{**rma, "emag_id": 5}]))
    assert not saved(await seller.save_rma(request_status=3, order_id="7"))
    stranger = [{**rma["products"][0], "id": 5}]
    assert not saved(await seller.save_rma(request_status=3, products=stranger))
    assert saved(await seller.save_rma(request_status=3, order_id=ORDER))  # number or text


async def test_only_the_items_that_are_named_were_not_taken(seller: Seller) -> None:
    returns = [seller.market.add_return({"emag_id": n, "request_status": n}) for n in (2, 4, 6)]
    answer = await seller.post("rma/save", [{**rma, "request_status": 3} for rma in returns])
    assert [text.split(" - ")[-1] for text in answer["messages"]] == ["Rma id: 4", "Rma id: 6"]
    assert [(await seller.rma(n))["request_status"] for n in (2, 4, 6)] == [3, 4, 6]


@pytest.mark.parametrize("nonsense", [5, None, [], {}, {"emag_id": RETURN, "products": [7]}])
async def test_nonsense_is_refused(seller: Seller, nonsense: object) -> None:
    rma = seller.market.add_return({"emag_id": 6, "request_status": 6})
    answer = await seller.post("rma/save", [nonsense, {**rma, "request_status": 7}])
    assert len(answer["messages"]) == 1
    assert (await seller.rma(6))["request_status"] == 7


class TestReading:
    @pytest.fixture(autouse=True)
    def three(self, seller: Seller) -> None:
        for number, status, kind, day in ((11, 2, 3, 1), (12, 6, 3, 2), (13, 6, 2, 3)):
            seller.market.add_return(
                {
                    "emag_id": number,
                    "order_id": 900 + number,
                    "request_status": status,
                    "type": kind,
                    "date": f"2026-03-0{day} 08:00:00",
                    "products": [{"product_id": f"{number}"}],
                }
            )

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({}, [13, 12, 11]),
            ({"request_status": 6}, [13, 12]),
            ({"request_status": "6", "type": 3}, [12]),
            ({"request_status": [2]}, [13, 12, 11]),  # a list is no filter
            ({"emag_id": 11}, [11]),
            ({"emag_id": 11, "request_status": 6}, []),
            ({"emag_id": 99}, []),
            ({"order_id": "912"}, [12]),
            ({"order_id": 912}, [12]),
            ({"product_id": "13"}, [13]),
            ({"date_start": "2026-03-02 00:00:00"}, [13, 12]),
            ({"date_start": "2026-03-02", "date_end": "2026-03-02 23:59:59"}, [12]),
            ({"status": 6}, [13, 12, 11]),  # a name that eMAG doesn't know
            ({"data": {"emag_id": 11}}, [13, 12, 11]),
        ],
    )
    async def test_filters(self, seller: Seller, filters: Any, found: list[int]) -> None:
        rows = (await seller.post("rma/read", filters))["results"]
        assert [row["emag_id"] for row in rows] == found
        count = (await seller.post("rma/count", filters))["results"]
        assert count == {
            "noOfItems": str(len(found)),
            "noOfPages": "1" if found else "0",
            "itemsPerPage": "100",
        }

    async def test_a_list_of_statuses_and_a_default_type_by_switch(self, seller: Seller) -> None:
        seller.switch(rma_status_list=True, rma_read_default_type=3)
        rows = (await seller.post("rma/read", {"request_status": [2, 6]}))["results"]
        assert [row["emag_id"] for row in rows] == [12, 11]

    async def test_by_get_too(self, seller: Seller) -> None:
        answer = await seller.http.get("/api-3/rma/read?request_status=2")
        assert [row["emag_id"] for row in answer.json()["results"]] == [11]
        answer = await seller.http.get("/api-3/rma/count")
        assert answer.json()["results"]["noOfItems"] == "3"


class TestWhatOthersDo:
    async def test_the_way_of_a_return(self, seller: Seller, clock: Clock) -> None:
        market = seller.market
        market.add_order({"id": ORDER, "status": 2, "products": [{"product_id": "1001"}]})
        with pytest.raises(ValueError, match="not finalized"):
            market.customer_opens_return(ORDER)
        market.finalize(ORDER)
        rma = market.customer_opens_return(ORDER)
        assert (rma["order_id"], rma["request_status"]) == (str(ORDER), 2)
        assert rma["customer_name"] == (await seller.order())["customer"]["name"]
        number = rma["emag_id"]
        market.courier_picks_up_return(number)
        assert (await seller.rma(number))["request_status"] == 3
        clock.pass_time(days=2)
        market.courier_delivers_return(number)
        rma = await seller.rma(number)
        assert rma["request_status"] == 6
        assert rma["status_history"][-1]["code"] == "picked_by_courier"
        assert rma["request_history"][-1]["date"] == "22 Mar 2026, 12:00"
        with pytest.raises(ValueError, match="has status 6"):
            market.courier_delivers_return(number)
        assert market.journal.violations() == []

    async def test_a_customer_cancels(self, seller: Seller) -> None:
        market = seller.market
        for status in range(1, 5):
            market.add_order({"id": status, "status": status})
        market.customer_asks_to_cancel(1)
        market.customer_asks_to_cancel(2)
        market.customer_asks_to_cancel(3)
        with pytest.raises(ValueError, match="too late"):
            market.customer_asks_to_cancel(4)
        first, second = await seller.order(1), await seller.order(2)
        assert (first["status"], first["reason_cancellation"]["id"]) == (0, 24)
        assert (second["status"], second["cancellation_request"]) == (2, "2026-03-20 12:00:00")
        assert [effect.by for effect in market.journal.effects] == ["emag", "customer", "customer"]
