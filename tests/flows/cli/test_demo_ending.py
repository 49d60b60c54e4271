"""What makes the demo fail: everything that is not as it ends each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from flows.cli.demo_ending import SETTLED, UNSEEN, Counts, disagreed, objected, strayed
from flows.cli.demo_summary import show_wrong
from flows.reconciliation import Reconciled
from flows.report import Report
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.certificates import Certificate, Listed
from integrations.sync.receipt import Parked

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SEEN = [("a customer opens a return", "approved", "")]


def report(**changes: Any) -> Report:
    rows = Counter({State.SYNCED: 19, State.REFUSED: 3})
    return replace(Report("rma-sync", "main", "both", False, NOW, rows=rows), **changes)


def certified(**changes: Any) -> Reconciled:
    certificate = Certificate("emag-ro", "main", date(2026, 11, 1), date(2026, 11, 28))
    return Reconciled("main", NOW, certificate=replace(certificate, **changes))


def test_a_day_of_refusals_that_both_sides_agree_on_is_as_it_should_be() -> None:
    assert list(strayed(SETTLED, [report()])) == []
    assert list(disagreed(SEEN, [certified()])) == []
    assert list(objected((0, 0))) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unreachable": "it is down"}, "could not work with eMAG: it is down"),
        ({"parked": [Parked(Kind.RMA, 5, "odd date")]}, "could not take news of eMAG's: odd date"),
        ({"rows": Counter({State.IN_DOUBT: 1})}, "left 1 row pending or in doubt"),
        ({"rows": Counter({State.PENDING: 2})}, "left 2 rows pending or in doubt"),
    ],
)
def test_a_flow_that_ends_otherwise_is_told(changes: Mapping[str, Any], said: str) -> None:
    assert list(strayed(SETTLED, [report(), report(**changes)])) == [
        f"rma-sync of account main {said}"
    ]


def test_rows_that_end_otherwise_are_told() -> None:
    settled: dict[Kind, Counts] = {**SETTLED, Kind.RMA: {State.SYNCED: 27}}
    assert list(strayed(settled, [report()])) == [
        "of rma rows 27 synced, not 3 refused, 19 synced, 5 waiting"
    ]


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (certified(unexplained=Listed(rows=2)), "of account main holds 2 unexplained differences"),
        (certified(unsure=Listed(rows=1)), "of account main holds 1 unexplained difference"),
        (certified(incomplete=["orders"]), "of account main is incomplete: orders"),
    ],
)
def test_a_certificate_that_is_not_clean_is_told(certificate: Reconciled, said: str) -> None:
    assert list(disagreed(SEEN, [certificate])) == [f"the certificate {said}"]


def test_that_there_is_no_certificate_is_told() -> None:
    stopped = Reconciled("main", NOW, unreachable="it is down")
    assert list(disagreed(SEEN, [stopped])) == ["no certificate for account main: it is down"]
    assert list(disagreed(SEEN, [])) == ["nothing was certified"]


def test_what_the_erp_has_not_learned_is_told() -> None:
    seen = [*SEEN, ("a customer asks to cancel", UNSEEN, "")]
    assert list(disagreed(seen, [certified()])) == [
        "the ERP knows nothing of this: a customer asks to cancel"
    ]


@pytest.mark.parametrize(
    ("journal", "said"),
    [((1, 0), "1 request over a limit"), ((0, 2), "2 requests against a rule")],
)
def test_what_emag_objects_to_is_told(journal: tuple[int, int], said: str) -> None:
    assert list(objected(journal)) == [f"eMAG's journal holds {said}"]


@pytest.mark.parametrize(
    ("wrong", "code", "printed"),
    [([], 0, ""), (["[it] is so"], 1, "\nThis demo did not end as it should:\n  [it] is so\n")],
)
def test_the_exit_code_is_1_and_says_why(wrong: list[str], code: int, printed: str) -> None:
    out = StringIO()
    assert show_wrong(Console(file=out), wrong) == code
    assert out.getvalue() == printed
