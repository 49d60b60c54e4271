"""Nonsense from either side ends in a clear reason on its own row and never stops a neighbour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from integrations.emag.client import open_client
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.history import Wanted, read_standing
from integrations.ledger.operations import standing
from tests.end_to_end.conftest import QUICK, Shop

RETURN, CANCELLATION, INVOICE = Kind.RMA, Kind.CANCELLATION, Kind.INVOICE

ORDER = 480000201
RMA = 52000201
LONG = "x" * 10_000

NO_ORDERS = [
    None,
    "",
    " ",
    "\u00a0",
    "comanda 480000201",
    "480000201;480000202",
    "0",
    "-1",
    "4.8",
    "1e9",
    "4294967296",
    "9" * 100,
    "\u0664\u0668\u0660\u0660\u0660\u0660\u0662\u0660\u0661",
    "\uff14\uff18",
    "' OR 1=1 --",
    "%(id)s {0} \\",
]

STRANGE = [
    "' OR 1=1 --",
    "%s {0} \\",
    "\u202e1001",
    "\U0001f964",
    "1001.0",
    "null",
    LONG,
]


class Good:
    """A row beside the bad ones, of an order of its own, that must be synced all the same."""

    def __init__(self, shop: Shop, kind: Kind) -> None:
        self._shop, self._kind = shop, kind

    async def put(self) -> Good:
        order_id = 480000999
        if order_id not in self._shop.market.orders:
            self._shop.market.add_order({"id": order_id, "status": 4})
        columns: dict[str, Any] = {}
        if self._kind is RETURN:
            self._shop.market.add_return({"order_id": order_id, "request_status": 2})
        elif self._kind is INVOICE:
            columns = {"pdf_url": self._shop.document("BUN"), "invoice_number": "BUN-1"}
        self.row = await self._shop.erp.add(self._kind, order_id, **columns)
        return self

    async def synced(self) -> bool:
        return await self._shop.state(self._kind, self.row) == "synced"


async def good(shop: Shop, kind: Kind) -> Good:
    return await Good(shop, kind).put()


async def states(shop: Shop, kind: Kind, rows: Iterable[int]) -> set[str]:
    return {await shop.state(kind, row) for row in rows}


def raw(text: str) -> orjson.Fragment:
    """JSON that goes out of the sandbox exactly as it is written here."""
    return orjson.Fragment(text.encode("ascii"))


def known_order(shop: Shop, order_id: int, **fields: Any) -> dict[str, Any]:
    return shop.market.add_order({"id": order_id, "status": 2, **fields})


class TestTimes:
    @pytest.mark.parametrize("odd", ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01"])
    async def test_what_an_earlier_integration_wrote_can_be_any_time(
        self, shop: Shop, odd: str
    ) -> None:
        """Its rows are our books now."""
        known_order(shop, ORDER)
        row = await shop.erp.add(CANCELLATION, ORDER)
        await shop.run(CANCELLATION)
        synced = "UPDATE app.emag_cancellation_integrations SET last_synced_at"
        await shop.sql(f"{synced} = CAST(:odd AS timestamp)", odd=odd)
        known_order(shop, ORDER + 1, status=0)

        report = await shop.receive(CANCELLATION)
        [told] = await read_standing(
            shop.channel.engine, Wanted(order=ORDER), [shop.channel.account.platform]
        )
        stands = await standing(shop.channel.engine, CANCELLATION, row)

        assert report.received[Brought.CREATED] == 1
        assert (told.state, told.synced_at) == ("synced", None)
        assert (stands.state, stands.last_synced_at) == ("synced", None)


class TestTheOrdersNumber:
    @pytest.mark.parametrize("kind", Kind)
    async def test_what_names_no_order_is_refused(self, shop: Shop, kind: Kind) -> None:
        rows = [await shop.erp.add(kind, each) for each in NO_ORDERS]
        neighbour = await good(shop, kind)
        await shop.run(kind)
        assert await states(shop, kind, rows) == {"refused"}
        assert {"emag_order_id" in await shop.reason(kind, row) for row in rows} == {True}
        assert await neighbour.synced()

    async def test_an_erp_that_was_there_first_can_hold_the_same_nonsense(
        self, erp_first: Shop
    ) -> None:
        rows = [await erp_first.erp.add(CANCELLATION, each) for each in NO_ORDERS]
        neighbour = await good(erp_first, CANCELLATION)
        await erp_first.run(CANCELLATION)
        assert await states(erp_first, CANCELLATION, rows) == {"refused"}
        assert await neighbour.synced()

    @pytest.mark.parametrize("order_id", [2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1])
    async def test_numbers_beyond_31_bits_are_orders_like_any_other(
        self, shop: Shop, order_id: int
    ) -> None:
        known_order(shop, order_id, status=4)
        shop.market.add_return({"order_id": order_id, "emag_id": 2**31 + 5})
        url = shop.document("F-1")
        rows = {
            RETURN: await shop.erp.add(RETURN, order_id),
            CANCELLATION: await shop.erp.add(CANCELLATION, order_id),
            INVOICE: await shop.erp.add(INVOICE, order_id, pdf_url=url),
        }
        for kind in rows:
            await shop.run(kind)
        assert {await shop.state(kind, row) for kind, row in rows.items()} == {"synced"}

    async def test_an_invoices_own_order_id_may_be_anything(self, shop: Shop) -> None:
        rows = [
            await shop.erp.add(INVOICE, None, order_id=each)
            for each in (0, -5, 4294967296, 2**63 - 1)
        ]
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await states(shop, INVOICE, rows) == {"refused"}
        assert await neighbour.synced()


class TestWords:
    async def test_a_return_with_an_unknown_status_is_refused(self, shop: Shop) -> None:
        shop.market.add_return({"emag_id": RMA, "order_id": ORDER})
        rows = [await shop.erp.add(RETURN, ORDER, status=word) for word in ("", "7", *STRANGE)]
        neighbour = await good(shop, RETURN)
        await shop.run(RETURN)
        assert await states(shop, RETURN, rows) == {"refused"}
        assert await neighbour.synced()
        assert len(await shop.reason(RETURN, rows[-1])) < 1000

    @pytest.mark.parametrize("kind", [CANCELLATION, INVOICE])
    async def test_another_row_with_an_unknown_status_is_none_of_ours(
        self, shop: Shop, kind: Kind
    ) -> None:
        for word in ("", "7", *STRANGE):
            await shop.erp.add(kind, ORDER, status=word)
        neighbour = await good(shop, kind)
        await shop.run(kind)
        assert await shop.queued(kind) == {neighbour.row}
        assert await neighbour.synced()

    async def test_words_are_read_in_any_case_and_with_blanks_around_them(self, shop: Shop) -> None:
        known_order(shop, ORDER)
        row = await shop.erp.add(CANCELLATION, ORDER, status=" Approved ", reason="OTHER\n")
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_an_unknown_reason_is_refused(self, shop: Shop) -> None:
        rows = []
        for each, word in enumerate(["", "24", *STRANGE]):
            known_order(shop, ORDER + each)
            rows.append(await shop.erp.add(CANCELLATION, ORDER + each, reason=word))
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await states(shop, CANCELLATION, rows) == {"refused"}
        assert await neighbour.synced()

    async def test_an_unknown_refund_status_asks_for_no_refund(self, shop: Shop) -> None:
        known_order(shop, ORDER, status=5)
        rows = [await shop.erp.add(CANCELLATION, ORDER, refund_status=word) for word in STRANGE]
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await states(shop, CANCELLATION, rows) == {"refused"}
        assert await neighbour.synced()

    async def test_an_unknown_type_of_invoice_is_refused(self, shop: Shop) -> None:
        known_order(shop, ORDER)
        url = shop.document("F-1")
        rows = [
            await shop.erp.add(INVOICE, ORDER, invoice_type=word, pdf_url=url) for word in STRANGE
        ]
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await states(shop, INVOICE, rows) == {"refused"}
        assert "sales_invoice" in await shop.reason(INVOICE, rows[0])
        assert await neighbour.synced()

    async def test_a_strange_account_is_waited_for(self, shop: Shop) -> None:
        names = ["\U0001f3ea" * 10, "'--", "%s", "main2", "\u00a0x"]
        rows = [await shop.erp.add(CANCELLATION, ORDER, account_type=name) for name in names]
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await states(shop, CANCELLATION, rows) == {"waiting:account"}
        assert await neighbour.synced()

    async def test_long_texts_in_columns_that_decide_nothing_change_nothing(
        self, shop: Shop
    ) -> None:
        known_order(shop, ORDER)
        row = await shop.erp.add(
            CANCELLATION, ORDER, reason_description=LONG, internal_notes="\U0001f4a5" * 10_000
        )
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"


class TestItems:
    async def test_a_quantity_that_is_no_number_of_pieces_is_refused(self, shop: Shop) -> None:
        lines = [{"product_id": "1001", "quantity": 3}, {"product_id": "1002", "quantity": 1}]
        rows = []
        for each, quantity in enumerate(["-1", "0", "0.5", "1.001", "NaN", "999999999"]):
            known_order(shop, ORDER + each, products=lines)
            item = {"product_id": "1001", "quantity": quantity}
            rows.append(await shop.erp.add(CANCELLATION, ORDER + each, item))
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await states(shop, CANCELLATION, rows) == {"refused"}
        assert {"1001" in await shop.reason(CANCELLATION, row) for row in rows} == {True}
        assert await neighbour.synced()

    async def test_an_erp_that_was_there_first_has_whole_numbers_to_be_wrong_in(
        self, erp_first: Shop
    ) -> None:
        rows = []
        for each, quantity in enumerate([-1, 0, 2**31 - 1]):
            known_order(erp_first, ORDER + each, products=[{"product_id": "1001", "quantity": 3}])
            item = {"product_id": 1001, "quantity": quantity}
            rows.append(await erp_first.erp.add(CANCELLATION, ORDER + each, item))
        neighbour = await good(erp_first, CANCELLATION)
        await erp_first.run(CANCELLATION)
        assert await states(erp_first, CANCELLATION, rows) == {"refused"}
        assert await neighbour.synced()

    async def test_a_strange_product_fits_no_line_of_an_order(self, shop: Shop) -> None:
        rows = []
        for each, product_id in enumerate(STRANGE):
            known_order(shop, ORDER + each)
            item = {"product_id": product_id, "sku": "", "emag_item_id": "\U0001f964" * 100}
            rows.append(await shop.erp.add(CANCELLATION, ORDER + each, item))
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await states(shop, CANCELLATION, rows) == {"refused"}
        assert max([len(await shop.reason(CANCELLATION, row)) for row in rows]) < 1000
        assert await neighbour.synced()

    async def test_a_return_of_strange_products_waits_for_one_that_has_them(
        self, shop: Shop
    ) -> None:
        rows = []
        for each, product_id in enumerate(STRANGE):
            shop.market.add_return({"order_id": ORDER + each})
            item = {"product_id": product_id, "sku": None, "quantity": "NaN"}
            rows.append(await shop.erp.add(RETURN, ORDER + each, item))
        neighbour = await good(shop, RETURN)
        await shop.run(RETURN)
        assert await states(shop, RETURN, rows) == {"waiting:emag_return"}
        assert await neighbour.synced()

    async def test_an_rma_that_cannot_be_one_is_refused_without_asking_for_it(
        self, shop: Shop
    ) -> None:
        names = ["abc", "-1", "0", "1.5", "4294967296", "9" * 100, "\u0665\u0662", "\u00b2"]
        rows = [await shop.erp.add(RETURN, ORDER, emag_return_id=name) for name in names]
        neighbour = await good(shop, RETURN)
        report = await shop.run(RETURN)
        assert await states(shop, RETURN, rows) == {"refused"}
        assert await neighbour.synced()
        assert report.requests["rma/read"] <= 4

    async def test_a_return_of_a_thousand_items_is_linked(self, shop: Shop) -> None:
        shop.market.add_return(
            {"emag_id": RMA, "order_id": ORDER, "products": [{"product_id": "1001"}]}
        )
        row = await shop.erp.add(RETURN, ORDER, {"product_id": "1001"})
        await shop.sql(
            "INSERT INTO app.return_items (return_request_id, product_id, quantity)"
            f" SELECT {row}, g::text, 1 FROM generate_series(2000, 2999) g"
        )
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"


class TestDocuments:
    async def test_an_address_that_emag_cannot_fetch_is_refused(self, shop: Shop) -> None:
        known_order(shop, ORDER)
        addresses = [
            "F-1001.pdf",
            "/home/facturi/F-1001.pdf",
            "C:\\facturi\\F-1001.pdf",
            "ftp://facturi.example.com/F-1001.pdf",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://",
            "https:///F-1001.pdf",
            "http://[::1/F-1001.pdf",
            "https://facturi.example.com/F 1001.pdf",
            "https://facturi.example.com/" + LONG,
        ]
        rows = [
            await shop.erp.add(INVOICE, ORDER, invoice_number=f"F-{each}", pdf_url=address)
            for each, address in enumerate(addresses)
        ]
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await states(shop, INVOICE, rows) == {"refused"}
        assert {"pdf_url" in await shop.reason(INVOICE, row) for row in rows} == {True}
        assert await neighbour.synced()

    async def test_an_invoice_without_a_number_is_refused(self, shop: Shop) -> None:
        known_order(shop, ORDER)
        url = shop.document("F-1")
        rows = [
            await shop.erp.add(INVOICE, ORDER, invoice_number=number, pdf_url=url)
            for number in (None, "", "   ")
        ]
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await states(shop, INVOICE, rows) == {"refused"}
        assert "number" in await shop.reason(INVOICE, rows[0])
        assert await neighbour.synced()

    async def test_a_strange_number_names_its_document(self, shop: Shop) -> None:
        rows = []
        for each, number in enumerate(["F\n1\t2", "\u041d\u2116 12 \U0001f9fe", "(.*)", "%s{0}\\"]):
            known_order(shop, ORDER + each)
            url = shop.document(f"F-{each}")
            rows.append(
                await shop.erp.add(INVOICE, ORDER + each, invoice_number=number, pdf_url=url)
            )
        await shop.run(INVOICE)
        for row in rows:
            await shop.replay(INVOICE, row)
        await shop.run(INVOICE)
        assert await states(shop, INVOICE, rows) == {"synced"}
        first = shop.market.orders.get(ORDER)
        assert first is not None
        assert [each["name"] for each in first["attachments"]] == ["Factura F 1 2"]


class TestWhatTheDatabaseCannotHold:
    """PostgreSQL takes neither NUL nor lone surrogates in a text; eMAG's JSON can hold both."""

    @pytest.mark.parametrize(
        "text", ['"a\\u0000b"', "123456789012345678901234567890", "[" * 300 + "]" * 300]
    )
    async def test_an_order_that_holds_it_is_carried(self, shop: Shop, text: str) -> None:
        known_order(shop, ORDER, delivery_mode=raw(text), observation=raw(text))
        row = await shop.erp.add(CANCELLATION, ORDER)
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert await neighbour.synced()

    async def test_a_return_that_holds_it_is_carried(self, shop: Shop) -> None:
        shop.market.add_return(
            {"emag_id": RMA, "order_id": ORDER, "customer_company": "a\0b", "observations": "\0"}
        )
        row = await shop.erp.add(RETURN, ORDER)
        neighbour = await good(shop, RETURN)
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert await neighbour.synced()

    @pytest.mark.parametrize("text", ['"Factura\\u0000 F-1"', '"Factura \\ud83d F-1"'])
    async def test_an_attachment_that_is_called_so_is_found(self, shop: Shop, text: str) -> None:
        url = shop.document("F-1")
        known_order(shop, ORDER, attachments=[{"name": raw(text), "url": url, "type": 1}])
        row = await shop.erp.add(INVOICE, ORDER, invoice_number="F-1", pdf_url=url)
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert await neighbour.synced()

    async def test_an_attachment_with_a_name_longer_than_our_column_is_found(
        self, shop: Shop
    ) -> None:
        url = shop.document("F-1")
        known_order(shop, ORDER, attachments=[{"name": LONG, "url": url, "type": 1}])
        row = await shop.erp.add(INVOICE, ORDER, invoice_number="F-1", pdf_url=url)
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "synced"
        assert await neighbour.synced()

    @pytest.mark.parametrize("text", ['"EXF\\u00001"', '"EXF\\ud83d1"'])
    async def test_an_invoice_of_emags_that_is_numbered_so_is_mirrored(
        self, shop: Shop, text: str
    ) -> None:
        shop.market.add_issued_invoice(
            {"category": "normal", "order_id": ORDER, "number": raw(text)}
        )
        known_order(shop, ORDER)
        row = await shop.erp.add(INVOICE, ORDER, pdf_url=shop.document("F-1"))
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await shop.state(INVOICE, row) == "refused"
        assert await neighbour.synced()

    async def test_a_lone_surrogate_is_refused_in_emags_words_and_alone(self, shop: Shop) -> None:
        known_order(shop, ORDER, delivery_mode=raw('"a\\ud83db"'))
        row = await shop.erp.add(CANCELLATION, ORDER)
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "refused"
        assert "Invalid content" in await shop.reason(CANCELLATION, row)
        assert await neighbour.synced()
        shop.market.journal.clear()  # it was eMAG's own text that was sent back


def many(shop: Shop) -> range:
    """So many orders in progress that they are read by the page."""
    shop.market.add_orders({"id": ORDER + each, "status": 2} for each in range(1, 12))
    return range(ORDER + 1, ORDER + 12)


class TestWhatNobodyCanRead:
    @pytest.mark.parametrize("text", ["1e400", "[" * 100_000 + "]" * 100_000])
    async def test_an_answer_that_is_no_json_is_its_own_rows_matter(
        self, shop: Shop, text: str
    ) -> None:
        known_order(shop, ORDER, shipping_tax=raw(text))
        row = await shop.erp.add(CANCELLATION, ORDER)
        neighbour = await good(shop, CANCELLATION)
        report = await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "pending"
        assert "JSON" in await shop.reason(CANCELLATION, row)
        assert await neighbour.synced()
        assert report.unreachable is None

    async def test_a_page_that_is_no_json_is_read_order_by_order(self, shop: Shop) -> None:
        known_order(shop, ORDER, shipping_tax=raw("1e400"))
        row = await shop.erp.add(CANCELLATION, ORDER)
        others = [await shop.erp.add(CANCELLATION, each) for each in many(shop)]
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "pending"
        assert await states(shop, CANCELLATION, others) == {"synced"}

    @pytest.mark.parametrize(
        "broken",
        [
            {"status": None},
            {"status": "in progress"},
            {"status": raw("1e30")},
            {"products": [{"product_id": "1001", "quantity": None}]},
            {"products": [{"product_id": "1001", "quantity": raw("1.5")}]},
            {"products": [{"product_id": "1001", "status": "active"}]},
        ],
    )
    async def test_an_order_whose_deciding_fields_are_unusable_is_tried_again(
        self, shop: Shop, broken: Mapping[str, Any]
    ) -> None:
        known_order(shop, ORDER).update(broken)
        row = await shop.erp.add(CANCELLATION, ORDER)
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["sync_attempts"]) == ("pending", 1)
        assert f"order {ORDER} has an unusable" in books["error_message"]
        assert await neighbour.synced()

    async def test_a_line_with_an_id_longer_than_any_stops_no_other_order(self, shop: Shop) -> None:
        line = {"id": raw("1" * 30), "product_id": "1001", "quantity": 2}
        known_order(shop, ORDER, products=[line])
        await shop.erp.add(CANCELLATION, ORDER, {"product_id": "1001", "quantity": 1})
        neighbour = await good(shop, CANCELLATION)
        await shop.run(CANCELLATION)
        assert await neighbour.synced()

    @pytest.mark.parametrize("order_id", ["9" * 19, raw("9" * 30), -1, "x", None])
    async def test_an_invoice_of_emags_for_no_possible_order_stops_no_document(
        self, shop: Shop, order_id: object
    ) -> None:
        shop.market.add_issued_invoice({"category": "normal", "order_id": order_id})
        neighbour = await good(shop, INVOICE)
        await shop.run(INVOICE)
        assert await neighbour.synced()

    @pytest.mark.parametrize("number", [None, [1], {"id": 5}, "9" * 5000, True, "\u00b2"])
    async def test_an_order_without_a_usable_id_hides_no_other_one(
        self, shop: Shop, number: object
    ) -> None:
        orders = many(shop)
        known_order(shop, ORDER)["id"] = number
        row = await shop.erp.add(CANCELLATION, ORDER)
        others = [await shop.erp.add(CANCELLATION, each) for each in orders]
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) in ("pending", "refused")
        assert await states(shop, CANCELLATION, others) == {"synced"}

    @pytest.mark.parametrize(
        "broken",
        [
            {"emag_id": None},
            {"emag_id": [7]},
            {"emag_id": raw("1" * 30)},
            {"order_id": None},
            {"order_id": "9" * 5000},
            {"request_status": None},
            {"products": [{"product_id": "1001", "quantity": 1}]},
        ],
    )
    @pytest.mark.parametrize("rows", [1, 11], ids=["alone", "on a page"])
    async def test_a_return_with_an_unusable_field_hides_no_other_one(
        self, shop: Shop, broken: Mapping[str, Any], rows: int
    ) -> None:
        others = []
        for each in range(rows):
            shop.market.add_return({"order_id": ORDER + each, "emag_id": RMA + each})
            others.append(await shop.erp.add(RETURN, ORDER + each))
        known_order(shop, ORDER + 99)
        shop.market.add_return({"order_id": ORDER + 99, "emag_id": RMA + 99}).update(broken)
        row = await shop.erp.add(RETURN, ORDER + 99)
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) in ("pending", "waiting:emag_return")
        assert await shop.reason(RETURN, row) != "None"
        assert await states(shop, RETURN, others) == {"synced"}


class TestNobodyThere:
    @pytest.mark.parametrize("kind", Kind)
    async def test_wrong_credentials_are_said_and_cost_the_rows_nothing(
        self, shop: Shop, kind: Kind
    ) -> None:
        waiting = await good(shop, kind)
        shop.market.credentials["seller@example.com"] = "another"
        report = await shop.run(kind)
        assert report.exit_code == 3
        assert "EMAG_PASSWORD" in (report.unreachable or "")
        assert "secret" not in (report.unreachable or "")
        shop.market.credentials["seller@example.com"] = "secret"
        await shop.run(kind)
        assert await waiting.synced()
        assert (await shop.books(kind, waiting.row))["sync_attempts"] == 0

    @pytest.mark.parametrize("status", [200, 403])
    async def test_an_address_that_is_not_allowed_is_said(self, shop: Shop, status: int) -> None:
        shop.switch(allowed_addresses=frozenset({"10.0.0.1"}), address_refusal=status)
        waiting = await good(shop, CANCELLATION)
        report = await shop.run(CANCELLATION)
        assert report.exit_code == 3
        assert "allow this host's address" in (report.unreachable or "")
        assert await shop.state(CANCELLATION, waiting.row) == "pending"
        shop.switch(allowed_addresses=None)
        await shop.run(CANCELLATION)
        assert await waiting.synced()

    async def test_an_emag_that_cannot_be_reached_is_said_and_its_rows_wait(
        self, shop: Shop
    ) -> None:
        away = replace(shop.channel.account, base_url="http://127.0.0.1:9/api-3")
        row = await shop.erp.add(CANCELLATION, ORDER)
        async with open_client(away, deadline=QUICK.deadline) as client:
            report = await shop.run(
                CANCELLATION, account=away, accounts={away.name: away}, client=client
            )
        assert report.exit_code == 3
        assert "no connection to eMAG" in (report.unreachable or "")
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["sync_attempts"]) == ("pending", 0)
        assert "no connection to eMAG" in books["error_message"]
