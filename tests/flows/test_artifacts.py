"""What the tables of a run say of eMAG's request limits."""

from __future__ import annotations

import psycopg
import pytest

from flows import artifacts
from flows.artifacts import report_table
from flows.cancellation import sync_cancellations
from flows.parameters import CancellationParameters
from flows.report import Problem, Report
from flows.untold import Telling, Told
from integrations.emag.routes import LIMITS, Bucket
from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.sandbox.market import Market

FIRST, ORDERS = 480_000_101, 10


@pytest.fixture
async def report(configured: None, database_url: str, market: Market) -> Report:
    """A run that read and cancelled some orders."""
    with psycopg.connect(database_url) as connection:
        for order_id in range(FIRST, FIRST + ORDERS):
            market.add_order({"id": order_id, "status": 1})
            connection.execute(
                "INSERT INTO app.cancellation_requests (emag_order_id, reason)"
                " VALUES (%s, 'other')",
                [str(order_id)],
            )
    [report] = await sync_cancellations(CancellationParameters())
    return report


async def test_a_run_says_what_it_took_of_each_limit(report: Report) -> None:
    orders, other = report.budget

    assert (orders.bucket, orders.requests) == (Bucket.ORDERS, sum(report.requests.values()))
    assert orders.limit == LIMITS[Bucket.ORDERS]
    assert 0 < orders.share == orders.requests / (1 + report.seconds * orders.limit) <= 1
    assert orders.waited > 0
    assert (other.bucket, other.requests, other.share, other.waited) == (Bucket.OTHER, 0, 0, 0)


async def test_the_table_has_a_line_for_each_limit(report: Report) -> None:
    orders, _ = report.budget

    lines = {line["row"]: line for line in report_table([report])}

    line = lines["request budget: orders"]
    assert line["state"] == f"{orders.requests} requests, {orders.share:.0%} of eMAG's 12/s"
    assert line["reason"] == f"{orders.waited:.1f} s waited"
    assert lines["request budget: other"]["state"] == "0 requests, 0% of eMAG's 3/s"


async def test_a_program_gets_the_same_figures(report: Report) -> None:
    orders, _ = report.budget

    told = report.to_json()["budget"]

    assert told["orders"] == {
        "requests": orders.requests,
        "limit": 12.0,
        "share": round(orders.share, 4),
        "waited": round(orders.waited, 3),
    }
    assert list(told) == ["orders", "other"]


async def test_what_needs_a_person_comes_first_and_nothing_is_counted_that_is_not_there(
    report: Report,
) -> None:
    report.problems.append(
        Problem(Kind.CANCELLATION, 7, State.REFUSED, "no such order", "https://emag.example/7")
    )

    first, second, *_ = report_table([report])

    assert first == {
        "account": "main",
        "row": "cancellation:7",
        "at eMAG": "https://emag.example/7",
        "state": "refused",
        "reason": "no such order",
    }
    assert (second["row"], second["state"]) == ("all", f"{ORDERS} synced")


async def test_what_others_have_carried_comes_next_and_says_so(report: Report) -> None:
    own = Problem(Kind.CANCELLATION, 7, State.REFUSED, "no such order")
    theirs = Problem(Kind.RMA, 7, State.REFUSED, "no such RMA", "https://emag.example/7")
    doubtful = Problem(Kind.INVOICE, 7, State.IN_DOUBT, "lost")
    report.problems.append(own)

    lines = report_table(
        [report], Telling([Told("main", own), Told("fbe", theirs), Told("main", doubtful)])
    )

    assert [(line["row"], line["state"]) for line in lines[:4]] == [
        ("cancellation:7", "refused"),
        ("rma:7", "refused, not by this run"),
        ("invoice:7", "in_doubt, not by this run"),
        ("all", f"{ORDERS} synced"),
    ]
    assert lines[1] == {
        "account": "fbe",
        "row": "rma:7",
        "at eMAG": "https://emag.example/7",
        "state": "refused, not by this run",
        "reason": "no such RMA",
    }


async def test_of_more_rows_than_fit_those_are_shown_that_are_told(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "MOST_PROBLEMS", 1)
    problems = [Problem(Kind.RMA, row_id, State.REFUSED, "no") for row_id in (1, 2, 3)]
    report.problems.extend(problems)

    lines = report_table([report], Telling([Told("main", problems[2])]))

    assert [(line["row"], line["state"]) for line in lines[:3]] == [
        ("rma:1", "refused"),
        ("rma:3", "refused"),
        ("all", f"{ORDERS} synced"),
    ]


async def test_what_is_left_to_be_told_is_counted_in_a_line(report: Report) -> None:
    told = [Told("fbe", Problem(Kind.RMA, 7, State.REFUSED, "no such RMA"))]

    lines = report_table([report], Telling(told, left=4800))
    none_left = report_table([report], Telling(told))

    assert [(line["row"], line["state"]) for line in lines[:2]] == [
        ("rma:7", "refused, not by this run"),
        ("4800 more", "still to be told"),
    ]
    assert "the next runs tell them" in lines[1]["reason"]
    assert not any("more" in line["row"] for line in none_left)
