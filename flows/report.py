"""What a run did, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.emag.routes import Bucket
from integrations.erp.differences import Change
from integrations.erp.rows import Kind
from integrations.ledger.arrivals import Brought
from integrations.ledger.books import State
from integrations.sync.receipt import Parked, Receipt


@dataclass(frozen=True)
class Problem:
    """A row that needs a person, or could not be finished; `url`: its order in eMAG's panel."""

    kind: Kind
    row_id: int
    state: State
    reason: str
    url: str | None = None


@dataclass(frozen=True)
class Spent:
    """What a run took of one of eMAG's request limits.

    Attributes:
        limit: eMAG's own, in requests a second.
        share: of the requests that the limit allows in the time that the run took, from 0 to 1.
        waited: seconds that requests waited for their slots, all together.
    """

    bucket: Bucket
    requests: int
    limit: float
    share: float
    waited: float


@dataclass(frozen=True)
class PlanLine:
    """What a dry run found out about one row; without an order, it names none that can be used."""

    kind: Kind
    row_id: int
    order_id: int | None
    wish: str
    state: str
    steps: Sequence[str]
    outcome: str


@dataclass(frozen=True)
class NewsLine:
    """What a dry run found out about one piece of eMAG's news.

    Attributes:
        row_id: the ERP's row; None: there is none.
        subject: what it is at eMAG.
        changes: columns of the ERP's row with what they hold and would hold.
    """

    kind: Kind
    row_id: int | None
    subject: str
    changes: Sequence[Change]
    outcome: str


@dataclass
class Report:
    """One account's share of a run; `unreachable` says why eMAG could not be worked with.

    Of a dry run, `plans` tell what would go out, `news` what would come in, and `looked_at` how
    many rows of eMAG's that was found in; None where the way in was not asked for. News beyond the
    run's limit is not listed, and `unlisted` counts it.
    """

    flow: str
    account: str
    direction: str
    dry_run: bool
    started_at: datetime
    seconds: float = 0.0
    rows: Counter[State] = field(default_factory=Counter)
    requests: Mapping[str, int] = field(default_factory=dict)
    throttled: int = 0
    budget: Sequence[Spent] = ()
    problems: list[Problem] = field(default_factory=list)
    plans: list[PlanLine] = field(default_factory=list)
    news: list[NewsLine] = field(default_factory=list)
    unlisted: int = 0
    looked_at: int | None = None
    received: Counter[Brought] = field(default_factory=Counter)
    parked: list[Parked] = field(default_factory=list)
    unreachable: str | None = None

    @property
    def exit_code(self) -> int:
        """0 all well, 1 something for a person, 3 eMAG unreachable, credentials refused.

        For a person are rows that were refused or are in doubt, and news that could not be stored.
        """
        if self.unreachable:
            return 3
        troubled = self.rows[State.REFUSED] or self.rows[State.IN_DOUBT] or self.parked
        return 1 if troubled else 0

    @property
    def waited(self) -> float:
        """Seconds that requests waited for their slots, all together."""
        return sum(spent.waited for spent in self.budget)

    def take(self, receipt: Receipt) -> None:
        """Enter what was brought into the ERP."""
        for brought in receipt.brought.values():
            self.received.update(brought)
        self.parked.extend(receipt.parked)

    def to_json(self) -> dict[str, Any]:
        """The object that `run --json` prints."""
        report: dict[str, Any] = {
            "flow": self.flow,
            "account": self.account,
            "direction": self.direction,
            "dry_run": self.dry_run,
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "rows": {state.value: self.rows[state] for state in State},
            "received": {brought.value: self.received[brought] for brought in Brought},
            "requests": dict(self.requests),
            "throttled": self.throttled,
            "waited": round(self.waited, 3),
            "budget": {
                spent.bucket.value: {
                    "requests": spent.requests,
                    "limit": spent.limit,
                    "share": round(spent.share, 4),
                    "waited": round(spent.waited, 3),
                }
                for spent in self.budget
            },
            "problems": [
                {
                    "kind": problem.kind.value,
                    "row_id": problem.row_id,
                    "state": problem.state.value,
                    "reason": problem.reason,
                }
                for problem in self.problems
            ],
        }
        if self.parked:
            report["parked"] = [
                {"kind": each.kind.value, "emag_id": each.emag_id, "reason": each.reason}
                for each in self.parked
            ]
        if self.dry_run:
            report["plans"] = [
                {
                    "kind": line.kind.value,
                    "row_id": line.row_id,
                    "order_id": line.order_id,
                    "wish": line.wish,
                    "state": line.state,
                    "steps": list(line.steps),
                    "outcome": line.outcome,
                }
                for line in self.plans
            ]
        if self.looked_at is not None:
            report["looked_at"] = self.looked_at
            report["unlisted"] = self.unlisted
            report["news"] = [
                {
                    "kind": line.kind.value,
                    "row_id": line.row_id,
                    "subject": line.subject,
                    "changes": [
                        {"column": each.column, "old": each.old, "new": each.new}
                        for each in line.changes
                    ],
                    "outcome": line.outcome,
                }
                for line in self.news
            ]
        if self.unreachable:
            report["unreachable"] = self.unreachable
        return report
