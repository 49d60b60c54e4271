"""The times that the protocol of leases, intents and settling stands on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """All durations in seconds; the relations that the protocol needs hold or construction fails.

    Attributes:
        quiet: how long a changed ERP row must rest before it is queued.
        quiet_cap: a row that never rests is queued after this long all the same.
        deadline: hard limit over the whole of one request to eMAG.
        settle: how long after its deadline a lost request may still take effect.
        lease: how long an order belongs to a worker that does not renew.
        renew: how often a worker renews its leases.
        copy_age: how old a copy of eMAG's state may be when it is written back.
        budget_wait: longest wait for a slot of the request budget.
        slot_tolerance: a request that is later than this for its slot has to renew it.
        look_again: how often a waiting row is looked at.
        backoff_first: pause after a row's first failure of its own.
        backoff_most: longest pause between a row's failures.
        pause: pause of a row that eMAG could not serve (throttled, unavailable).
        ask_again: pause before a read that was not answered is repeated; it doubles each time.
        probe: how often eMAG is asked whether it is back after an outage.
        probe_deadline: the deadline of a read that only finds out whether eMAG answers.
    """

    quiet: float = 5.0
    quiet_cap: float = 60.0
    deadline: float = 30.0
    settle: float = 120.0
    lease: float = 90.0
    renew: float = 30.0
    copy_age: float = 60.0
    budget_wait: float = 20.0
    slot_tolerance: float = 0.015
    look_again: float = 900.0
    backoff_first: float = 30.0
    backoff_most: float = 21600.0
    pause: float = 30.0
    ask_again: float = 0.5
    probe: float = 10.0
    probe_deadline: float = 10.0

    def __post_init__(self) -> None:
        relations = {
            "quiet <= quiet_cap": self.quiet <= self.quiet_cap,
            "0 < deadline": self.deadline > 0,
            "0 < probe_deadline": self.probe_deadline > 0,
            "0 <= settle": self.settle >= 0,
            "2 * renew < lease": 2 * self.renew < self.lease,
            "copy_age < lease": self.copy_age < self.lease,
            "budget_wait < lease - renew": self.budget_wait < self.lease - self.renew,
            "slot_tolerance < deadline": self.slot_tolerance < self.deadline,
            "backoff_first <= backoff_most": self.backoff_first <= self.backoff_most,
        }
        broken = [relation for relation, holds in relations.items() if not holds]
        if broken:
            raise ValueError(f"timings contradict each other: {', '.join(broken)} must hold")

    @property
    def leaves_within(self) -> float:
        """Seconds after a plan in which its request leaves, if it does: see copies and slots."""
        return self.copy_age + self.budget_wait

    @property
    def probe_over(self) -> float:
        """Seconds after its slot until a request that is to find out whether eMAG is back is over.

        It may be late for its slot, and be any request: unless its end is known, the next one waits
        so long.
        """
        return max(self.probe, self.budget_wait + self.deadline)

    @property
    def surely_dead(self) -> float:
        """Seconds after its intent until a request can no longer take effect at eMAG."""
        return self.deadline + self.settle
