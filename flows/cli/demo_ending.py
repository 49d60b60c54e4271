"""Whether the demo ended as it does each time: what is otherwise, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flows import wording
from flows.reconciliation import Reconciled
from flows.report import Report
from integrations.erp.rows import Kind
from integrations.ledger.books import State

Counts = Mapping[str, int]

SETTLED: Mapping[Kind, Counts] = {
    Kind.RMA: {State.SYNCED: 19, State.REFUSED: 3, State.WAITING: 5},
    Kind.CANCELLATION: {State.SYNCED: 17, State.REFUSED: 8, State.WAITING: 1},
    Kind.INVOICE: {State.SYNCED: 13, State.REFUSED: 4, State.WAITING: 2},
}
"""Where the rows of the ERP's morning, as `demo_shop` lays them out, stand after the first runs."""

UNSEEN = "nothing yet"
"""What the ERP's row is of something that it has not learned of."""


def strayed(settled: Mapping[Kind, Counts], reports: Sequence[Report]) -> Iterator[str]:
    """What the flows did otherwise; `settled` counts the morning's rows by state."""
    for kind, expected in SETTLED.items():
        if dict(settled[kind]) != expected:
            yield f"of {kind.value} rows {_counted(settled[kind])}, not {_counted(expected)}"
    for report in reports:
        flow = f"{report.flow} of account {report.account}"
        if report.unreachable:
            yield f"{flow} could not work with eMAG: {report.unreachable}"
        for parked in report.parked:
            yield f"{flow} could not take news of eMAG's: {parked.reason}"
        if left := report.rows[State.PENDING] + report.rows[State.IN_DOUBT]:
            yield f"{flow} left {wording.counted(left, 'row')} pending or in doubt"


def disagreed(seen: Sequence[tuple[str, str, str]], agreed: Sequence[Reconciled]) -> Iterator[str]:
    """What of the day the ERP has not learned, and where both sides differ at its end."""
    yield from (f"the ERP knows nothing of this: {what}" for what, row, _ in seen if row == UNSEEN)
    if not agreed:
        yield "nothing was certified"
    for each in agreed:
        made = each.certificate
        if made is None:
            yield f"no certificate for account {each.account}: {each.unreachable}"
            continue
        if unexplained := made.unexplained.rows + made.unsure.rows:
            differences = wording.counted(unexplained, "unexplained difference")
            yield f"the certificate of account {each.account} holds {differences}"
        for part in made.incomplete:
            yield f"the certificate of account {each.account} is incomplete: {part}"


def objected(journal: tuple[int, int]) -> Iterator[str]:
    """What eMAG's journal holds against us."""
    for count, what in zip(journal, ("over a limit", "against a rule"), strict=True):
        if count:
            yield f"eMAG's journal holds {wording.counted(count, 'request')} {what}"


def _counted(counts: Counts) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
