"""Lots: the first steps of planned rows that leave in one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.emag.routes import ORDER_ACKNOWLEDGE, Route
from integrations.emag.wire import Return, elements
from integrations.erp.rows import Kind
from integrations.ledger.calls import Subject
from integrations.ledger.intents import Intent
from integrations.sync.plan import Do, Plan, Refused, Step, body_of, describe_state
from integrations.sync.work import Work

# eMAG takes at most 50 entities and 4,000 elements a request (API facts: Rate and size limits):
# a lot stays clear of that, what is larger goes alone.
MOST_ELEMENTS = 3500
MOST_ALONE = 4000


@dataclass(frozen=True, slots=True)
class Item:
    """A row's place in a lot: its step and the entity to send."""

    work: Work
    plan: Do
    body: Any

    @property
    def step(self) -> Step:
        return self.plan.steps[0]

    @property
    def intent(self) -> Intent:
        reductions = self.plan.reductions
        return Intent(self.work.claim, reductions.to_json() if reductions else None)


@dataclass(frozen=True, slots=True)
class Lot:
    """Steps on one route that leave in one request."""

    route: Route
    items: tuple[Item, ...]

    @property
    def body(self) -> list[Any] | None:
        """The entities to save; None where the path says it all."""
        return None if self.path_id is not None else [item.body for item in self.items]

    @property
    def path_id(self) -> int | None:
        return self.items[0].step.subject if self.route is ORDER_ACKNOWLEDGE else None

    @property
    def works(self) -> list[Work]:
        return [item.work for item in self.items]

    @property
    def failed_before(self) -> bool:
        """Whether this is one row alone whose last request came to nothing, too."""
        return len(self.items) == 1 and self.items[0].work.failed is not None

    def subject(self, kind: Kind) -> Subject:
        """What the call record says of it."""
        works = self.works
        subjects = [item.step.subject for item in self.items]
        return Subject(
            orders=[work.claim.order_id for work in works],
            returns=subjects if kind is Kind.RMA else [],
            rows=[f"{kind.value}:{work.claim.row_id}" for work in works],
            steps=[item.step.label for item in self.items],
            items=len(works),
        )


def within_limits(plan: Plan) -> Plan:
    """The plan, or its refusal where one of its steps would be larger than eMAG takes.

    All fields that were read are sent back: what has very many lines can't be saved in pieces.
    """
    for step in plan.steps if isinstance(plan, Do) else ():
        size = elements(body_of(step))
        if size > MOST_ALONE:
            what = describe_state(step.copy)
            return Refused(
                f"{what[0].upper()}{what[1:]}, is too large: to save it takes {size:,} values in"
                f" one request, and eMAG takes {MOST_ALONE:,}. Do it in eMAG's panel, then replay"
                " this row.",
                str(step.copy.emag_id) if isinstance(step.copy, Return) else None,
            )
    return plan


def lots_of(works: Sequence[Work]) -> Iterator[Lot]:
    """The first steps of the rows that have any, by route, in as few requests as may be."""
    groups: dict[tuple[str, int], list[Item]] = defaultdict(list)
    for work in works:
        if work.plan is None:
            continue
        item = Item(work, work.plan, body_of(work.plan.steps[0]))
        alone = item.step.route is ORDER_ACKNOWLEDGE or work.failed is not None
        cap = 1 if alone else work.lot_cap
        groups[item.step.route.path, cap].append(item)
    for (_, cap), items in groups.items():
        yield from _split(items, cap)


def _split(items: Sequence[Item], cap: int) -> Iterator[Lot]:
    lot: list[Item] = []
    size = 0
    for item in items:
        weight = elements(item.body) if cap > 1 else 0
        if lot and (len(lot) >= cap or size + weight > MOST_ELEMENTS):
            yield Lot(lot[0].step.route, tuple(lot))
            lot, size = [], 0
        lot.append(item)
        size += weight
    if lot:
        yield Lot(lot[0].step.route, tuple(lot))
