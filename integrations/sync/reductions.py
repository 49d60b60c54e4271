"""From the ERP's relative words ("cancel one piece") to absolute targets of an order's lines.

Targets are measured once, against the order as it was first read. Edits of the ERP's items later
are measured against that same reading, so that no piece is taken twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from integrations.emag.wire import Order, OrderLine
from integrations.erp.rows import Item
from integrations.sync.plan import Reduction, Reductions
from integrations.sync.wishes import shown


class ItemError(ValueError):
    """An item of the ERP can't be applied to the order; the text says which and what to do."""


def reductions_of(items: Sequence[Item], order: Order, stored: Reductions | None) -> Reductions:
    """The targets that these items set, given those that were stored before. Raises ItemError."""
    mark = fingerprint(items)
    if stored is not None and stored.fingerprint == mark:
        return stored
    measured = _measured(order, stored)
    taken = _taken(items, order, measured) if items else _all(measured)
    lines = tuple(replace(line, to=line.first - taken[line.line_id]) for line in measured)
    storno = stored is not None and stored.storno
    return Reductions(not items or _covers(lines), mark, lines, storno)


def fingerprint(items: Sequence[Item]) -> str:
    """A mark that is the same for the same items, in whatever order."""
    parts = sorted(
        repr((item.emag_item_id, item.product_id, item.sku, str(item.quantity))) for item in items
    )
    return sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:16]


def touched(line: Reduction) -> bool:
    """Whether the cancellation changes the line, or did before its items were edited."""
    return line.to != line.first or line.from_ != line.first


def reached(targets: Reductions, order: Order) -> bool:
    """Whether every line that is to change has its target already."""
    has = present(order)
    return all(has.get(line.line_id, 0) == line.to for line in targets.lines if touched(line))


def untouched(targets: Reductions, order: Order) -> bool:
    """Whether every line that is to change still has what it had when it was first read."""
    has = present(order)
    return all(has.get(line.line_id, 0) == line.first for line in targets.lines if touched(line))


def present(order: Order) -> dict[int, int]:
    """The pieces of each line that are part of the order now."""
    return {line.id: line.quantity if line.active else 0 for line in order.lines}


def _all(measured: Sequence[Reduction]) -> Counter[int]:
    return Counter({line.line_id: line.first for line in measured})


def _covers(lines: Sequence[Reduction]) -> bool:
    active = [line for line in lines if line.first > 0]
    return bool(active) and all(line.to == 0 for line in active)


def _measured(order: Order, stored: Reductions | None) -> tuple[Reduction, ...]:
    """Every line with what it had when it was first read, and no target yet."""
    now = present(order)
    before = stored.lines if stored is not None else ()
    known = {line.line_id for line in before}
    fresh = (Reduction(each, has, has, has) for each, has in now.items() if each not in known)
    return (*(_again(line, now.get(line.line_id, 0)) for line in before), *fresh)


def _again(line: Reduction, has: int) -> Reduction:
    """A stored line to be given a new target; eMAG may still have what the earlier one left."""
    from_ = has if has in (line.from_, line.to) else line.first
    return replace(line, from_=from_, to=line.first)


def _taken(items: Sequence[Item], order: Order, measured: Sequence[Reduction]) -> Counter[int]:
    """How many pieces the items take off each line; several items of one line add up."""
    first = {line.line_id: line.first for line in measured}
    taken: Counter[int] = Counter()
    for item in items:
        line_id = _line_of(item, order, first)
        taken[line_id] += _pieces(item, first[line_id])
        if taken[line_id] > first[line_id]:
            raise ItemError(
                f"The items take {taken[line_id]} of line {line_id}, which had"
                f" {first[line_id]} in order {order.id}: correct their quantities."
            )
    return taken


def _line_of(item: Item, order: Order, first: dict[int, int]) -> int:
    """The one line that the item names; lines that are part of the order come first."""
    for matches in _named_lines(item, order, first):
        there = [line_id for line_id in matches if first[line_id] > 0] or matches
        if len(there) > 1 and first[there[0]] > 0:
            raise ItemError(
                f"The item {_name(item)} fits several lines of order {order.id}"
                f" ({', '.join(map(str, there[:5]))}): put the line's id into emag_item_id."
            )
        if there:
            return there[0]
    raise ItemError(
        f"The item {_name(item)} fits no line of order {order.id}: correct its product_id or sku,"
        " or put the line's id into emag_item_id."
    )


def _named_lines(item: Item, order: Order, first: dict[int, int]) -> Iterator[list[int]]:
    """The lines that each key of the item names, the surest key first."""
    yield [line_id for line_id in first if str(line_id) == item.emag_item_id]
    if item.product_id is not None:
        yield [line.id for line in order.lines if line.product_id == item.product_id]
    if item.sku is not None:
        yield [line.id for line in order.lines if item.sku in _skus(line)]


def _skus(line: OrderLine) -> tuple[str | None, str | None]:
    return line.part_number, line.ext_part_number


def _pieces(item: Item, first: int) -> int:
    """How many pieces the item means; of a line that is no part of the order, none are left."""
    wanted = item.quantity
    if wanted is None:
        return first
    if not wanted.is_finite() or wanted <= 0 or (wanted <= first and wanted != int(wanted)):
        raise ItemError(
            f"The item {_name(item)} has the quantity {_short(wanted)}: set a whole number from 1."
        )
    if first == 0:
        return 0
    if wanted > first:
        raise ItemError(
            f"The item {_name(item)} has the quantity {_short(wanted)}, but its line only had"
            f" {first}: correct it."
        )
    return int(wanted)


def _name(item: Item) -> str:
    return shown(item.emag_item_id or item.product_id or item.sku)


def _short(number: Decimal) -> str:
    return shown(str(number), 20).strip('"')
