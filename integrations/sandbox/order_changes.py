"""What an order/save asks of an order's lines (API facts, order/save; Storno)."""

from __future__ import annotations

from dataclasses import dataclass, field

from integrations.sandbox.exchange import RefusalError
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json, amount, whole

_FIXED = ("product_id", "part_number", "ext_part_number")
_NEEDED_ON_NEW = ("product_id", "name", "status", "sale_price")


@dataclass(frozen=True)
class LineChange:
    """A line as it shall be; `removed` lines get status 0."""

    line: Json
    quantity: int
    removed: bool = False

    @property
    def reduces(self) -> bool:
        """Whether the customer gets less than before."""
        return self.removed or self.quantity < self.line["quantity"]


@dataclass
class Changes:
    """The lines that change, and the ones that are new."""

    lines: list[LineChange] = field(default_factory=list)
    added: list[Json] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines or self.added)


def active(line: Json) -> bool:
    """Whether the customer still gets something of a line."""
    return bool(line["status"] and line["quantity"])


def sent_lines(item: Json) -> list[Json]:
    """The lines that a save names."""
    lines = item.get("products")
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []


def changes_asked(market: State, order: Json, item: Json) -> Changes:
    """The differences between an order's lines and those that were sent. Raises RefusalError."""
    changes = Changes()
    if "products" not in item:
        return changes
    if not isinstance(item["products"], list):
        raise RefusalError("rule", "Field products must be a list")
    known = {line["id"]: line for line in order["products"]}
    named: set[int] = set()
    for sent in sent_lines(item):
        number = whole(sent.get("id"))
        if number is None or number not in known:
            changes.added.append(_new_line(sent))
            continue
        named.add(number)
        if change := _line_change(known[number], sent):
            changes.lines.append(change)
    # leaving lines out is said to remove them only where an order can be edited
    if market.switches.missing_lines == "remove" and order["status"] in (2, 3):
        left_out = (line for number, line in known.items() if number not in named)
        changes.lines += [
            LineChange(line, line["quantity"], removed=True) for line in left_out if active(line)
        ]
    return changes


def all_given_back(order: Json) -> Changes:
    """Every line that still holds something, emptied."""
    return Changes([LineChange(line, 0) for line in order["products"] if line["quantity"]])


def _line_change(line: Json, sent: Json) -> LineChange | None:
    _check_fixed(line, sent)
    quantity = whole(sent.get("quantity", line["quantity"]))
    if quantity is None or quantity < 0:
        raise RefusalError("rule", "Quantity must be a whole number, 0 or more")
    status = whole(sent.get("status", line["status"]))
    if status not in (0, 1):
        raise RefusalError("rule", "A product's status must be 0 or 1")
    if status == 0:
        return LineChange(line, line["quantity"], removed=True) if line["status"] else None
    if line["status"] == 0:
        raise RefusalError("rule", "A removed product can not come back")
    return LineChange(line, quantity) if quantity != line["quantity"] else None


def _check_fixed(line: Json, sent: Json) -> None:
    for name in _FIXED:
        if name in sent and str(sent[name]) != str(line[name]):
            raise RefusalError("rule", f"Field {name} can not be changed")
    if "sale_price" in sent and amount(sent["sale_price"]) != amount(line["sale_price"]):
        raise RefusalError("rule", "Field sale_price can not be changed")


def _new_line(sent: Json) -> Json:
    missing = [name for name in _NEEDED_ON_NEW if sent.get(name) in (None, "")]
    if missing:
        raise RefusalError("rule", f"A new product needs {missing[0]}")
    quantity = whole(sent.get("quantity", 1))
    if quantity is None or quantity < 1:
        raise RefusalError("rule", "A new product needs a quantity of 1 or more")
    return {**sent, "quantity": quantity, "status": 1}
