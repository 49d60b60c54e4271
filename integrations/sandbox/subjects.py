"""What a request is about, for faults that choose their requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from integrations.sandbox.bodies import items_of
from integrations.sandbox.exchange import Ask
from integrations.sandbox.fault_kinds import SAVES
from integrations.sandbox.faults import Subject
from integrations.sandbox.wire import whole


def subject_of(ask: Ask) -> Subject:
    """The ids in the path, in filters or items, and (after a read) those of the rows it shows."""
    items = lot_of(ask)
    entities = [each for each in (items or _filters(ask)) if isinstance(each, dict)]
    orders = {ask.number, *ask.record.order_ids, *_ids(entities, "order_id")}
    if ask.record.route.startswith("order/"):
        orders |= set(_ids(entities, "id"))
    returns = {*ask.record.return_ids, *_ids(entities, "emag_id")}
    return Subject(
        frozenset(number for number in orders if number is not None),
        frozenset(returns),
        len(items),
    )


def lot_of(ask: Ask) -> list[Any]:
    """The items that a request wants to save; none for what is no save, or no readable one."""
    if ask.record.route not in SAVES:
        return []
    items = items_of(ask, lone_allowed=ask.market.switches.lone_object_saves)
    return items if isinstance(items, list) else []


def _filters(ask: Ask) -> Iterator[object]:
    """Where the filters of a read may stand."""
    yield ask.body
    if isinstance(ask.body, dict):
        yield ask.body.get("data")


def _ids(entities: Iterable[Any], key: str) -> Iterator[int]:
    for entity in entities:
        number = whole(entity.get(key))
        if number is not None:
            yield number
