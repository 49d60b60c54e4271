"""What orders cost, and money that eMAG collects and pays back (API facts, Product line; Refunds).

Amounts are Decimals in the order's currency, VAT included, whole cents.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from integrations.sandbox import catalogue
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json, amount

Amount = Decimal | int | float | str

CENT = Decimal("0.01")
ZERO = Decimal(0)
# payment mode: the field that says how much of it eMAG has. Without a mode it is like a card's
CASHED_COD, CASHED_CO = "cashed_cod", "cashed_co"
COD, CARD = 1, 3


def order_total(order: Json) -> Decimal:
    """The gross total of what an order holds now: lines, deposits, shipping, vouchers."""
    total = _decimal(order["shipping_tax"]) + _vouchers(order["shipping_tax_voucher_split"])
    for line in order["products"]:
        if line["status"] and line["quantity"]:
            total += line["quantity"] * unit_price(line) + _deposits(line)
            total += _vouchers(line["product_voucher_split"])
    return _cents(total)


def unit_price(line: Json) -> Decimal:
    """The gross price of one piece of an order line, not rounded."""
    return _decimal(line["sale_price"]) * (1 + _decimal(line["vat"]))


def given_back(order: Json) -> Decimal:
    """The gross price of the pieces of an order that were stornoed."""
    return _cents(sum((line["storno_qty"] * unit_price(line) for line in order["products"]), ZERO))


def cash(market: State, order: Json, by: str = "emag") -> None:
    """eMAG has the order's whole total."""
    field = CASHED_COD if order["payment_mode_id"] == COD else CASHED_CO
    was, order[field] = order[field], float(order_total(order))
    market.journal.effect("order.cashed", order["id"], was, order[field], at=market.now(), by=by)
    if (paid := order["payment_status"]) != 1:
        order["payment_status"] = 1
        market.journal.effect("order.payment_status", order["id"], paid, 1, at=market.now(), by=by)
    market.touch(order)


def check_mode(order: Json, mode: int) -> None:
    """Refuse an order that is paid in another way. Raises ValueError."""
    if order["payment_mode_id"] != mode:
        way, told = catalogue.PAYMENT_MODES[mode], order["payment_mode"]
        raise ValueError(f"order {order['id']} is paid by {told}, not by {way}")


def refund_order(market: State, order: Json, value: Amount | None) -> None:
    """eMAG pays an amount back; by default what was stornoed (else all) and isn't paid back yet."""
    before = _decimal(order["refunded_amount"])
    due = (given_back(order) or order_total(order)) - before if value is None else _asked(value)
    if due <= 0:
        raise ValueError(f"order {order['id']}: nothing is left to refund after {before}")
    was, order["refunded_amount"] = order["refunded_amount"], str(_cents(before + due))
    order["refund_status"] = "refunded"
    market.journal.effect(
        "order.refund", order["id"], was, order["refunded_amount"], at=market.now(), by="emag"
    )
    market.touch(order)


def refund_return(market: State, rma: Json, value: Amount | None) -> None:
    """eMAG pays an amount back; by default the price of what the return holds."""
    worth = _worth(rma["products"], market.orders.get(int(rma["order_id"])))
    whole = sum(worth, ZERO)
    due = whole if value is None else _asked(value)
    if due <= 0:
        raise ValueError(f"return {rma['emag_id']}: nothing to refund")
    for line, share in zip(rma["products"], _shares(due, worth), strict=True):
        line["refund_value"] = f"{_decimal(line['refund_value']) + share:.4f}"
    now = market.local_now()
    request = {
        "amount": str(due),
        "created": now,
        "refund_type": "refund",
        "refund_status": "refunded",
        "rma_id": rma["emag_id"],
        "status_date": now,
        "currency": rma["currency"],
    }
    rma["status_history"].append({"code": "refund", "event_date": now, "requests": [request]})
    market.journal.effect("rma.refund", rma["emag_id"], None, str(due), at=market.now(), by="emag")


def _worth(lines: Iterable[Json], order: Json | None) -> list[Decimal]:
    """What each line of a return cost, by its order; by the catalogue where that says nothing."""
    prices = {line["product_id"]: unit_price(line) for line in order["products"]} if order else {}
    return [
        _cents(
            line["quantity"] * (prices.get(line["product_id"]) or _listed(str(line["product_id"])))
        )
        for line in lines
    ]


def _listed(product_id: str) -> Decimal:
    product = catalogue.product(product_id)
    return Decimal(product.sale_price) * (1 + Decimal(product.vat))


def _shares(due: Decimal, worth: list[Decimal]) -> list[Decimal]:
    """An amount spread over lines by what they cost; the last line takes what rounding leaves."""
    whole = sum(worth, ZERO) or Decimal(1)
    shares = [_cents(due * each / whole) for each in worth[:-1]]
    return [*shares, due - sum(shares, ZERO)] if worth else []


def _deposits(line: Json) -> Decimal:
    """The deposits of the pieces that are left, with their own VAT rate."""
    total = ZERO
    for deposit in line["recycle_warranties"]:
        pieces = min(_decimal(deposit["quantity"]), line["quantity"])
        total += pieces * _decimal(deposit["sale_price"]) * (1 + _decimal(deposit["vat_rate"]))
        total += _vouchers(deposit["recycle_warranty_voucher_split"])
    return total


def _vouchers(splits: Iterable[Json]) -> Decimal:
    """Parts of vouchers: negative amounts, net and VAT."""
    parts = (_decimal(each.get("value")) + _decimal(each.get("vat_value")) for each in splits)
    return sum(parts, ZERO)


def _asked(value: Amount) -> Decimal:
    asked = amount(str(value))
    if asked is None or not asked.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return _cents(asked)


def _decimal(value: object) -> Decimal:
    return amount(value) or ZERO


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)
