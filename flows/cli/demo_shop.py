"""The invented shop of the demo: what its ERP wrote down today, and what eMAG knows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from integrations.sandbox.documents import DocumentKind
from integrations.sandbox.market import Market

CARD, ON_DELIVERY = 3, 1
MUG, JUICE = "1001", "1002"
TWO_LINES = ({"product_id": MUG, "quantity": 2}, {"product_id": JUICE, "quantity": 3})

NAMES = ("Ilinca Exemplu", "Matei Inventat", "Zoe Fictiva", "Petru Plasmuit", "Daria Imaginata")
REASONS = ("defective_product", "wrong_item", "damaged_in_transit", "customer_dissatisfaction")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Return:
    """`times` returns with an ERP status, and the RMAs that eMAG has for each one's order.

    `linked` ones name their RMA already.
    """

    times: int
    status: str
    rmas: tuple[int, ...]
    type: int = 3
    linked: bool = False
    order: str | None = None


@dataclass(frozen=True)
class Cancellation:
    """`times` cancellations, the order that eMAG has for each, and the items they name."""

    times: int
    order_status: int
    erp: Row = field(default_factory=dict)
    items: tuple[Row, ...] = ()
    order: Row = field(default_factory=dict)
    hours_finalized: float | None = None


@dataclass(frozen=True)
class Invoice:
    """`times` invoices, and what hangs on each one's order already."""

    times: int
    erp: Row = field(default_factory=dict)
    document: DocumentKind | None = "pdf"
    order_type: int = 3
    attached: str | None = None
    issued_by_emag: bool = False


Case = TypeVar("Case", Return, Cancellation, Invoice)

RETURNS = (
    Return(5, "approved", (2,)),
    Return(4, "processing", (3,)),
    Return(3, "completed", (6,)),
    Return(2, "completed", (2,)),
    Return(2, "cancelled", (2,)),
    Return(1, "rejected", (6,)),
    Return(1, "approved", (3,)),
    Return(1, "pending", (2,)),
    Return(2, "rejected", (3,)),
    Return(2, "approved", ()),
    Return(1, "approved", (2, 2)),
    Return(1, "approved", (4,), linked=True),
    Return(1, "processing", (2,), type=2, linked=True),
    Return(1, "approved", (), order="WEB-77"),
)

REFUND: Row = {"status": "approved", "refund_status": "processing"}
CANCELLATIONS = (
    Cancellation(5, 2),
    Cancellation(3, 1),
    Cancellation(2, 3, {"status": "approved", "reason": "inventory_unavailable"}),
    Cancellation(1, 0),
    Cancellation(2, 2, items=({"product_id": JUICE, "quantity": 3},)),
    Cancellation(1, 2, items=({"product_id": MUG, "quantity": 1},)),
    Cancellation(1, 2, items=({"sku": "NOT-IN-THIS-ORDER", "quantity": 1},)),
    Cancellation(
        1, 2, items=({"product_id": JUICE, "quantity": 1},), order={"payment_mode_id": CARD}
    ),
    Cancellation(1, 4, hours_finalized=20),
    Cancellation(1, 4, hours_finalized=72),
    Cancellation(1, 4, REFUND, hours_finalized=240),
    Cancellation(1, 4, REFUND, ({"product_id": MUG, "quantity": 1},), hours_finalized=240),
    Cancellation(1, 4, REFUND, hours_finalized=24 * 60),
    Cancellation(1, 5, hours_finalized=100),
    Cancellation(1, 2, order={"type": 2}),
    Cancellation(1, 2, {"reason": "mercury_retrograde"}),
    Cancellation(1, 2, {"account_type": "bulgaria"}),
    Cancellation(1, 2, {"status": "rejected"}),
    Cancellation(1, 2, {"emag_order_id": "4100000001"}),
)

INVOICES = (
    Invoice(6, {"status": "issued"}),
    Invoice(3, {"status": "paid"}),
    Invoice(1, {"status": "sent", "invoice_type": "proforma_invoice"}),
    Invoice(1, {"status": "issued", "invoice_type": "corrected_invoice"}),
    Invoice(1, {"status": "overdue"}, order_type=2),
    Invoice(1, {"status": "draft"}),
    Invoice(2, {"status": "issued"}, document=None),
    Invoice(1, {"status": "issued"}, document="html"),
    Invoice(1, {"status": "issued"}, document="missing"),
    Invoice(1, {"status": "issued"}, attached="same"),
    Invoice(1, {"status": "issued"}, attached="elsewhere"),
    Invoice(1, {"status": "issued"}, issued_by_emag=True),
)


class Shop:
    """The rows of the ERP as they are laid out, beside a market that is filled to match."""

    def __init__(self, market: Market, host: str, now: datetime) -> None:
        self.market = market
        self.host = host
        self.now = now
        self.rows: list[tuple[str, Row]] = []
        self._numbers: dict[str, int] = {}

    def add(self, table: str, row: Row) -> int:
        """Note a row of the ERP; its id."""
        number = self._numbers.get(table, 0) + 1
        self._numbers[table] = number
        self.rows.append((table, row))
        return number

    def order(self, **fields: Any) -> int:
        """A new order at eMAG; its id."""
        return int(self.market.add_order(fields)["id"])


def lay_out(market: Market, host: str, database_url: str) -> Mapping[str, int]:
    """Fill the market, write the ERP's day into its database; how many rows of each table.

    `host` is where the market's documents are served, without a path.
    """
    shop = Shop(market, host, datetime.now(UTC))
    for a_return in _every(RETURNS):
        _add_return(shop, a_return)
    for cancellation in _every(CANCELLATIONS):
        _add_cancellation(shop, cancellation)
    for invoice in _every(INVOICES):
        _add_invoice(shop, invoice)
    return _write(shop.rows, database_url)


def _every(cases: Sequence[Case]) -> Iterator[Case]:
    return (case for case in cases for _ in range(case.times))


def _add_return(shop: Shop, case: Return) -> None:
    order = shop.order(
        status=4,
        type=case.type,
        products=[{"product_id": MUG, "quantity": 2}],
        finalization_date=shop.now - timedelta(days=6),
    )
    rmas = [
        shop.market.add_return(
            {
                "order_id": order,
                "type": case.type,
                "request_status": status,
                "products": [{"product_id": MUG, "quantity": 1}],
            }
        )
        for status in case.rmas
    ]
    row = shop.add(
        "return_requests",
        {
            "emag_order_id": case.order or str(order),
            "emag_return_id": str(rmas[0]["emag_id"]) if case.linked else None,
            "status": case.status,
            "reason": _turn(REASONS, order),
            "customer_name": _turn(NAMES, order),
        },
    )
    shop.add("return_items", {"return_request_id": row, "product_id": MUG, "quantity": 1})


def _add_cancellation(shop: Shop, case: Cancellation) -> None:
    finalized: Row = {}
    if case.hours_finalized is not None:
        finalized = {"finalization_date": shop.now - timedelta(hours=case.hours_finalized)}
    order = shop.order(
        **{
            "status": case.order_status,
            "payment_mode_id": ON_DELIVERY,
            "products": [dict(line) for line in TWO_LINES],
            **finalized,
            **case.order,
        }
    )
    row = shop.add(
        "cancellation_requests",
        {
            "emag_order_id": str(order),
            "status": "pending",
            "reason": "customer_request",
            "customer_name": _turn(NAMES, order),
            **case.erp,
        },
    )
    for item in case.items:
        shop.add("cancellation_items", {"cancellation_request_id": row, **item})


def _add_invoice(shop: Shop, case: Invoice) -> None:
    order = shop.order(
        status=4, type=case.order_type, finalization_date=shop.now - timedelta(days=2)
    )
    number = f"DEMO-{order}"
    url = None
    if case.document is not None:
        path = shop.market.add_document(number, kind=case.document)
        url = f"{shop.host}{path}"
    if case.attached is not None:
        _attach(shop, order, number, url if case.attached == "same" else f"{shop.host}/old.pdf")
    if case.issued_by_emag:
        shop.market.add_issued_invoice({"category": "normal", "order_id": order})
    shop.add(
        "invoices",
        {
            "emag_order_id": str(order),
            "invoice_number": number,
            "pdf_url": url,
            "customer_name": _turn(NAMES, order),
            "total_amount": "149.99",
            **case.erp,
        },
    )


def _attach(shop: Shop, order_id: int, number: str, url: str | None) -> None:
    order = shop.market.orders.get(order_id)
    assert order is not None
    order["attachments"].append(
        {
            "order_id": order_id,
            "order_type": order["type"],
            "name": f"Factura {number}",
            "url": url,
            "type": 1,
            "force_download": 0,
            "visibility": "customer",
        }
    )


def _turn(choices: Sequence[str], number: int) -> str:
    return choices[number % len(choices)]


def _write(rows: Sequence[tuple[str, Row]], database_url: str) -> Mapping[str, int]:
    """One transaction, as an ERP would commit a day's import."""
    counts: dict[str, int] = {}
    with psycopg.connect(database_url) as connection:
        for table, row in rows:
            statement = sql.SQL("INSERT INTO app.{} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            )
            connection.execute(statement, list(row.values()))
            counts[table] = counts.get(table, 0) + 1
    return counts
