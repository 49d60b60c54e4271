"""The plan of a return: which RMA it is, and the legal way to the status that the ERP wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from integrations.emag.matrices import ReturnStatus, return_path
from integrations.emag.routes import RMA_SAVE
from integrations.emag.wire import Return, ReturnLine
from integrations.erp.rows import Item, ReturnRow
from integrations.sync.plan import (
    Do,
    Event,
    Known,
    Plan,
    Refused,
    Step,
    Synced,
    Waiting,
    describe_state,
    withdrawn,
)
from integrations.sync.wishes import RETURN_WISHES, choice, return_status, shown

_S = ReturnStatus

OPEN: Final = frozenset({_S.NEW, _S.ACKNOWLEDGED, _S.RECEIVED})
"""What an ERP row can be linked to without being told."""

FURTHER: Final[Mapping[ReturnStatus, frozenset[ReturnStatus]]] = {
    _S.ACKNOWLEDGED: frozenset({_S.RECEIVED, _S.FINALIZED}),
    _S.RECEIVED: frozenset({_S.FINALIZED}),
}
"""The statuses beyond a wanted one that hold it."""

UNRECEIVED: Final = frozenset({_S.NEW, _S.ACKNOWLEDGED})
"""From these a refusal waits for the goods: eMAG takes it only of received ones."""

EMAG_STATUS: Final[Mapping[int, str]] = {
    _S.NEW: "new",
    _S.ACKNOWLEDGED: "approved",
    _S.REFUSED: "rejected",
    _S.CANCELED: "cancelled",
    _S.RECEIVED: "in_progress",
    _S.FINALIZED: "completed",
}
"""eMAG's statuses in the words of `emag_status`."""

FULFILLED_BY_EMAG: Final = 2


def plan_return(
    row: ReturnRow | None,
    known: Known,
    candidates: Sequence[Return],
    taken: Mapping[int, int],
    now: datetime,
) -> Plan:
    """What to do about a return (None: deleted in the ERP).

    `candidates` are the RMAs of its order, and the one that the row or our books name; `taken`
    says of RMAs that belong to other rows to which of the ERP's. Nothing of a return depends on
    `now`.
    """
    if row is None:
        return withdrawn(known, row, _by_id(candidates, known.emag_id))
    if row.order_id < 1:
        return Refused("The return names no order of eMAG's: put its number into emag_order_id.")
    if row.status not in RETURN_WISHES:
        return Refused(
            f"The return's status {shown(row.status)} means nothing; set one of"
            f" {choice(RETURN_WISHES)}."
        )
    target = RETURN_WISHES[row.status]
    found = _the_rma(row, known, target, candidates, taken)
    return _plan_for(found, row, target) if isinstance(found, Return) else found


def _plan_for(rma: Return, row: ReturnRow, target: ReturnStatus | None) -> Plan:
    emag_id = str(rma.emag_id)
    if rma.status == _S.INCOMPLETE:
        return Waiting(
            Event.EMAG_RETURN,
            f"RMA {emag_id} is still incomplete at eMAG; it is looked at again by itself.",
            emag_id,
        )
    if target is None or rma.status == target or rma.status in FURTHER.get(target, ()):
        return _as_it_is(rma)
    if rma.type == FULFILLED_BY_EMAG:
        return Refused(
            f"RMA {emag_id} is fulfilled by eMAG, which alone may change it:"
            f" set the return to what eMAG has, status {return_status(rma.status)}.",
            emag_id,
        )
    if target is _S.REFUSED and rma.status in UNRECEIVED:
        return Waiting(
            Event.EMAG_RECEIVED,
            f"RMA {emag_id} is at status {return_status(rma.status)}, and eMAG takes a refusal only"
            " of received goods: it is sent once eMAG has 6 received.",
            emag_id,
        )
    return _on_the_way(rma, row, target)


def _on_the_way(rma: Return, row: ReturnRow, target: ReturnStatus) -> Do | Refused:
    path = return_path(rma.status, target)
    if path is None:
        return Refused(
            f"The ERP wants {row.status}, eMAG has {describe_state(rma)}, and from there no way"
            f" leads to {return_status(target)}: set the return to what eMAG has, or name another"
            " RMA in emag_return_id.",
            str(rma.emag_id),
        )
    steps = tuple(
        Step(RMA_SAVE, f"{frm} -> {to}", rma.emag_id, rma, {"request_status": int(to)})
        for frm, to in pairwise((rma.status, *map(int, path)))
    )
    note = f"RMA {rma.emag_id} at status {return_status(target)}"
    return Do(steps, Synced(str(rma.emag_id), EMAG_STATUS[target], note))


def _as_it_is(rma: Return) -> Synced:
    return Synced(str(rma.emag_id), EMAG_STATUS.get(rma.status), describe_state(rma))


def _the_rma(
    row: ReturnRow,
    known: Known,
    target: ReturnStatus | None,
    candidates: Sequence[Return],
    taken: Mapping[int, int],
) -> Return | Refused | Waiting:
    named = row.emag_return_id or known.emag_id
    if named:
        return _named(row, named, candidates, taken)
    free = [rma for rma in candidates if _is_free(rma, row, taken)]
    best = _best(row.items, [rma for rma in free if rma.status in OPEN])
    best = best or _best(row.items, [rma for rma in free if rma.status == target])
    if len(best) == 1:
        return best[0]
    if not best:
        return Waiting(Event.EMAG_RETURN, _none_yet(row, candidates, taken))
    ids = ", ".join(str(rma.emag_id) for rma in best)
    return Waiting(
        Event.PERSON,
        f"RMAs {ids} of order {row.order_id} match equally: name the right one in emag_return_id.",
    )


def _none_yet(row: ReturnRow, candidates: Sequence[Return], taken: Mapping[int, int]) -> str:
    """Why nothing can be linked, naming the RMAs that would do but belong to another return."""
    others = [rma for rma in candidates if rma.order_id == row.order_id and rma.emag_id in taken]
    owned = ", ".join(
        f"RMA {rma.emag_id} belongs to rma:{taken[rma.emag_id]}" for rma in _best(row.items, others)
    )
    found = f"no other RMA at eMAG with these products yet ({owned})" if owned else _NONE
    return (
        f"Order {row.order_id} has {found}; it is looked for again by itself, or name it in"
        " emag_return_id."
    )


_NONE: Final = "no RMA at eMAG with these products yet"


def _named(
    row: ReturnRow, named: str, candidates: Sequence[Return], taken: Mapping[int, int]
) -> Return | Refused:
    rma = _by_id(candidates, named)
    if rma is None:
        return Refused(
            f"RMA {shown(named)} is not known at eMAG in this account: correct emag_return_id."
        )
    if rma.order_id != row.order_id:
        return Refused(
            f"RMA {rma.emag_id} belongs to order {rma.order_id or 'unknown'}, not to"
            f" {row.order_id}: correct emag_return_id or emag_order_id."
        )
    if rma.emag_id in taken:
        other = taken[rma.emag_id]
        # A row lets go of the RMA that it is linked to only together with its order.
        return Refused(
            f"RMA {rma.emag_id} belongs to another return of the ERP already, rma:{other}: correct"
            f" emag_return_id of one of the two, then replay rma:{row.id}. If each is to have the"
            f" other's RMA, empty emag_order_id here, run the sync, replay rma:{other}, run the"
            " sync, and put emag_order_id back."
        )
    return rma


def _by_id(candidates: Sequence[Return], named: str | None) -> Return | None:
    text = (named or "").strip()
    return next((rma for rma in candidates if str(rma.emag_id) == text), None)


def _is_free(rma: Return, row: ReturnRow, taken: Mapping[int, int]) -> bool:
    return rma.order_id == row.order_id and rma.emag_id not in taken


def _best(items: Sequence[Item], rmas: Sequence[Return]) -> list[Return]:
    """The RMAs in which the most items are found; without items all of them match equally."""
    if not items:
        return list(rmas)
    scores = [sum(_is_in(item, rma) for item in items) for rma in rmas]
    most = max(scores, default=0)
    return [rma for rma, score in zip(rmas, scores, strict=True) if most and score == most]


def _is_in(item: Item, rma: Return) -> bool:
    return any(names(item, line) for line in rma.lines for names in KEYS)


KEYS: Final[tuple[Callable[[Item, ReturnLine], bool], ...]] = (
    lambda item, line: item.emag_item_id == str(line.id),
    lambda item, line: (
        line.product_id is not None and line.product_id in (item.product_id, item.sku)
    ),
    lambda item, line: line.product_emag_id is not None and line.product_emag_id == item.product_id,
)
"""How an item of the ERP can name a line of an RMA."""
