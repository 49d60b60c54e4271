"""What needs a person beside the ERP's rows: parked news, differences, cursors that stand still."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.matters import differences_of, long_parked, parked_of
from integrations.ledger.standstill import still_cursors
from tests.integrations.ledger.mirrored import (
    ORDER,
    RETURN,
    account_at,
    hours_ago,
    insert,
    mirror_order,
    mirror_return,
)

MAIN = account_at()
PROBLEM = "app.return_requests.status knows no 'pending'"


async def test_news_that_could_not_be_stored_is_parked(engine: Engine) -> None:
    await mirror_return(engine, order_id=ORDER, owed=True, problem=PROBLEM, attempts=3)
    await mirror_order(engine, owed=True, problem="unusable status: a list", attempts=1)
    await mirror_order(engine, 1, owed=True)
    await mirror_order(engine, 2, account="other", owed=True, problem="no matter of this account")

    async with autocommit(engine) as connection:
        parked = await parked_of(connection, [MAIN], 100)

    assert sorted((each.entity, each.subject, each.attempts) for each in parked) == [
        ("order", str(ORDER), 1),
        ("return", str(RETURN), 3),
    ]
    [news] = [each for each in parked if each.entity == "return"]
    assert (news.order_id, news.reason) == (ORDER, PROBLEM)


async def test_an_invoice_that_cannot_be_read_is_parked(engine: Engine) -> None:
    invoice = {"platform": "emag-ro", "account": "main", "source": "customer-invoice"}
    await insert(engine, "emag_issued_invoices", **invoice, number="EXF1", problem="whose?")
    await insert(engine, "emag_issued_invoices", **invoice, number="EXF2", order_id=ORDER)

    async with autocommit(engine) as connection:
        [parked] = await parked_of(connection, [MAIN], 100)

    assert (parked.entity, parked.subject, parked.reason) == ("invoice", "EXF1", "whose?")


async def test_news_is_parked_for_too_long_after_a_day(engine: Engine) -> None:
    await mirror_return(engine, owed=True, problem=PROBLEM, changed_at=hours_ago(25))
    await mirror_order(engine, owed=True, problem=PROBLEM, changed_at=hours_ago(23))

    async with autocommit(engine) as connection:
        [long] = await long_parked(connection, [MAIN], timedelta(days=1))

    assert (long.account, long.news) == ("main", 1)


@pytest.mark.parametrize(
    ("columns", "listed"),
    [({}, True), ({"times": 1}, False), ({"explained": "the ERP has not sent it yet"}, False)],
)
async def test_a_difference_is_a_persons_matter_when_it_comes_again_unexplained(
    engine: Engine, columns: dict[str, object], listed: bool
) -> None:
    difference = {
        "platform": "emag-ro",
        "account": "main",
        "subject": "return 52000077",
        "difference": "eMAG has 7 finalized, the ERP has approved",
        "times": 2,
    }
    await insert(engine, "emag_differences", **{**difference, **columns})

    async with autocommit(engine) as connection:
        found = await differences_of(connection, [MAIN], 100)

    assert [each.subject for each in found] == (["return 52000077"] if listed else [])


STILL = {
    "platform": "emag-ro",
    "account": "main",
    "resource": "orders:3",
    "position": hours_ago(1.5),
}
CALL = {
    "platform": "emag-ro",
    "account": "main",
    "route": "order/read",
    "sent_at": hours_ago(0.5),
    "verdict": "applied",
}


@pytest.mark.parametrize(
    ("cursor", "call", "stands"),
    [
        ({}, {}, True),
        ({}, {"verdict": "unavailable"}, True),
        ({"resource": "returns:2"}, {"route": "rma/read"}, True),
        ({"position": hours_ago(0.9)}, {}, False),
        ({"resource": "customer-invoice"}, {}, False),
        ({}, {"sent_at": hours_ago(1.2)}, False),
        ({}, {"sent_at": hours_ago(0.1)}, False),
        ({}, {"route": "rma/read"}, False),
        ({}, {"order_ids": [ORDER]}, False),
        ({}, {"account": "other"}, False),
        ({}, {"platform": "emag-bg"}, False),
        ({"platform": "emag-bg"}, {"platform": "emag-bg"}, False),
        ({}, {"verdict": "unsent"}, False),
    ],
    ids=str,
)
async def test_a_cursor_stands_still_when_an_hour_of_reading_did_not_move_it(
    engine: Engine, cursor: dict[str, object], call: dict[str, object], stands: bool
) -> None:
    await insert(engine, "emag_platform_cursors", **{**STILL, **cursor})
    await insert(engine, "emag_api_calls", **{"id": "sql:gen_random_uuid()", **CALL, **call})

    async with autocommit(engine) as connection:
        found = await still_cursors(connection, [account_at()])

    assert bool(found) is stands
