"""A small eMAG for the planners: rows of its wire, and saves judged by nothing but the matrices."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from integrations.emag.matrices import RETURN_MOVES, Window, order_move, window_open
from integrations.emag.routes import ORDER_ACKNOWLEDGE, ORDER_SAVE, RMA_SAVE
from integrations.emag.wire import Order, Return, read_order, read_return, to_local
from integrations.erp.rows import CancellationRow, InvoiceRow, Item, ReturnRow
from integrations.sync.plan import Step, body_of

ZONE = ZoneInfo("Europe/Bucharest")
NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
ORDER_ID = 480000101
RETURN_DAYS = 30
COD, CARD = 1, 3

Raw = dict[str, Any]


class IllegalRequestError(AssertionError):
    """A request that eMAG would have refused."""


def raw_line(line_id: int, quantity: int, status: int = 1, **fields: Any) -> Raw:
    line = {
        "id": line_id,
        "product_id": str(1000 + line_id),
        "part_number": f"PN-{line_id}",
        "ext_part_number": f"EPN-{line_id}",
        "status": status,
        "quantity": quantity,
        "sale_price": "82.6446",
        "details": [],
        "never_seen_before": {"kept": [1, None]},
    }
    return line | fields


def raw_order(
    status: int, lines: Iterable[Raw] = (), *, finalized_ago: timedelta | None = None, **fields: Any
) -> Raw:
    """An order with 2 pieces on line 7 and 1 on line 8; its windows began an hour ago."""
    ago = finalized_ago if finalized_ago is not None else timedelta(hours=1)
    at = to_local(NOW - ago, ZONE)
    order = {
        "id": ORDER_ID,
        "type": 3,
        "status": int(status),
        "payment_mode_id": COD,
        "customer": {"name": "Ioana Exemplu", "phone_1": "0700000001"},
        "products": list(lines) or [raw_line(7, 2), raw_line(8, 1)],
        "attachments": [],
        "reason_cancellation": [],
        "details": {"locker_id": "x"},
        "is_storno": None,
        "modified": at,
        "finalization_date": at if status in {4, 5} else None,
        "never_seen_before": ["kept"],
    }
    return order | fields


def raw_return(emag_id: int, status: int, *products: str, **fields: Any) -> Raw:
    products = products or ("1007",)
    rma = {
        "emag_id": emag_id,
        "order_id": str(ORDER_ID),
        "type": 3,
        "request_status": int(status),
        "customer_name": "Ioana Exemplu",
        "date": "2026-03-15 10:00:00",
        "products": [
            {
                "id": emag_id * 10 + index,
                "product_id": product,
                "product_emag_id": f"9{product}",
                "quantity": 1,
                "return_reason": 40,
            }
            for index, product in enumerate(products)
        ],
        "never_seen_before": {"kept": True},
    }
    return rma | fields


def an_order(status: int, lines: Iterable[Raw] = (), **fields: Any) -> Order:
    return read_order(raw_order(status, lines, **fields), ZONE)


def a_return(emag_id: int, status: int, *products: str, **fields: Any) -> Return:
    return read_return(raw_return(emag_id, status, *products, **fields), ZONE)


def an_item(
    product_id: str | None = None,
    quantity: int | str | None = None,
    *,
    sku: str | None = None,
    line: int | str | None = None,
) -> Item:
    return Item(
        product_id=product_id,
        sku=sku,
        quantity=None if quantity is None else Decimal(quantity),
        emag_item_id=None if line is None else str(line),
    )


def return_row(status: str, *items: Item, named: str | None = None) -> ReturnRow:
    return ReturnRow(12, ORDER_ID, "main", status, named, items)


def cancellation_row(
    *items: Item,
    status: str = "approved",
    reason: str | None = "customer_request",
    refund: str | None = None,
) -> CancellationRow:
    return CancellationRow(12, ORDER_ID, "main", status, reason, refund, items)


def invoice_row(
    invoice_type: str | None = "sales_invoice",
    *,
    status: str = "issued",
    number: str | None = "FCT 100",
    url: str | None = "https://docs.example.com/FCT-100.pdf",
) -> InvoiceRow:
    return InvoiceRow(12, ORDER_ID, "main", status, number, invoice_type, url)


class Emag:
    """One order or return, changed by the steps of plans as eMAG would change it.

    A line stornoed to nothing is shown with quantity 0, or left out where `drops_lines` is set.
    """

    def __init__(self, raw: Raw, *, now: datetime = NOW, drops_lines: bool = False) -> None:
        self.raw = deepcopy(raw)
        self.now = now
        self.drops_lines = drops_lines
        self.effects = 0

    def order(self) -> Order:
        return read_order(deepcopy(self.raw), ZONE)

    def rma(self) -> Return:
        return read_return(deepcopy(self.raw), ZONE)

    def quantities(self) -> dict[int, int]:
        return {line.id: line.quantity if line.active else 0 for line in self.order().lines}

    def apply(self, step: Step) -> None:
        body = body_of(step)
        if step.route == ORDER_ACKNOWLEDGE:
            self._acknowledge()
        elif step.route == ORDER_SAVE:
            self._save_order(body or {})
        elif step.route == RMA_SAVE:
            self._save_return(body or {})
        else:
            raise IllegalRequestError(step.route.path)
        self.effects += 1

    def _acknowledge(self) -> None:
        if order_move(self.raw["status"], 2) is not Window.ACKNOWLEDGE or self.raw["type"] != 3:
            raise IllegalRequestError("acknowledge")
        self.raw["status"] = 2

    def _save_order(self, body: Raw) -> None:
        frm, to = self.raw["status"], body["status"]
        self._must_be_open(frm, to)
        if self.raw["type"] != 3 or self.raw.keys() - body.keys():
            raise IllegalRequestError("an FBE order, or a field that was read is missing")
        if to == 0 and not isinstance(body["reason_cancellation"], int):
            raise IllegalRequestError("a cancellation without a reason")
        self._must_fit(body, smaller=self._compare_lines(body))
        self.raw = deepcopy(body) | {"is_storno": None}
        if self.drops_lines and body["is_storno"]:
            self.raw["products"] = [line for line in self.raw["products"] if line["quantity"]]

    def _must_fit(self, body: Raw, *, smaller: bool) -> None:
        frm, same = self.raw["status"], self.raw["status"] == body["status"]
        if bool(body["is_storno"]) != (same and frm == 4):
            raise IllegalRequestError("is_storno belongs to a partial storno and to nothing else")
        if smaller != same:
            raise IllegalRequestError("a save changes the status or lines, and one of them only")
        if body["is_storno"]:
            self._must_be_open(4, 5)
        elif smaller:
            self._must_be_editable(frm)

    def _compare_lines(self, body: Raw) -> bool:
        old = {line["id"]: line for line in self.raw["products"]}
        new = {line["id"]: line for line in body["products"]}
        if old.keys() != new.keys():
            raise IllegalRequestError("a line is missing or new")
        if any(old[each].keys() != new[each].keys() for each in old):
            raise IllegalRequestError("a line's field is missing or new")
        pieces = {each: (self._pieces(old[each]), self._pieces(new[each])) for each in old}
        if any(after > before or after < 0 for before, after in pieces.values()):
            raise IllegalRequestError("a line grew")
        return any(after < before for before, after in pieces.values())

    def _must_be_editable(self, status: int) -> None:
        if status not in {2, 3} or self.raw["payment_mode_id"] == CARD:
            raise IllegalRequestError("lines can't be changed here")

    def _must_be_open(self, frm: int, to: int) -> None:
        window = order_move(frm, to)
        since = self.order().finalized_at
        clocked = window in {Window.WITHIN_48_H, Window.WITHIN_RETURN_TIME}
        if window in {None, Window.ACKNOWLEDGE} or (clocked and since is None):
            raise IllegalRequestError(f"{frm} -> {to}")
        assert window is not None
        if not window_open(window, since=since, now=self.now, return_days=RETURN_DAYS):
            raise IllegalRequestError(f"{frm} -> {to} is over")

    def _save_return(self, body: Raw) -> None:
        frm, to = self.raw["request_status"], body["request_status"]
        if (frm, to) not in RETURN_MOVES or frm == to or self.raw["type"] != 3:
            raise IllegalRequestError(f"{frm} -> {to}")
        if body != self.raw | {"request_status": to}:
            raise IllegalRequestError("a field that was read is missing or changed")
        self.raw = deepcopy(body)

    @staticmethod
    def _pieces(line: Raw) -> int:
        return int(line["quantity"]) if line["status"] == 1 else 0
