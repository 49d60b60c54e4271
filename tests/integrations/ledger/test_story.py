"""What a clerk reads about a call: words for what was asked, and what eMAG said to it."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.emag.routes import (
    ATTACHMENTS_SAVE,
    CUSTOMER_INVOICE_READ,
    ORDER_ACKNOWLEDGE,
    ORDER_READ,
    ORDER_SAVE,
    RMA_READ,
    RMA_SAVE,
    Route,
)
from integrations.ledger.calls import Subject
from integrations.ledger.engine import Engine
from integrations.ledger.history import Wanted, read_story
from integrations.ledger.sealing import Kept, Sealer, sealer_of
from integrations.ledger.story import Told, tell
from tests.integrations.ledger.recording import begin, record

OLD_KEY = "tMf-_la7OunCiXuSFkpCF2LO-7pm0gJmJq8JNw2zGPE="
NEW_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
ORDER, RMA = 480000101, 52000077
SAVED = {"id": ORDER, "status": 0, "reason_cancellation": 33}


async def told(
    engine: Engine, *, rma: int | None = None, sealer: Sealer | None = None
) -> list[Told]:
    wanted = Wanted(order=None if rma else ORDER, rma=rma)
    return [tell(call, wanted, sealer) for call in await read_story(engine, wanted)]


@pytest.mark.parametrize(
    ("route", "step", "body", "words"),
    [
        (ORDER_READ, "", {"id": ORDER, "type": 3}, "read the order"),
        (ORDER_ACKNOWLEDGE, "acknowledge", None, "acknowledge the order"),
        (ORDER_SAVE, "2 -> 0", [SAVED], "cancel: status 2 -> 0, reason 33"),
        (ORDER_SAVE, "", [SAVED], "cancel: status -> 0, reason 33"),
        (ORDER_SAVE, "2 -> 0", None, "cancel: status 2 -> 0"),
        (ORDER_SAVE, "", None, "save the order"),
        (ORDER_SAVE, "storno 4 -> 5", [{"id": ORDER, "status": 5}], "storno: status 4 -> 5"),
        (ORDER_SAVE, "2 -> 1 of line 7", [SAVED], "cancel in part: 2 -> 1 of line 7"),
        (ORDER_SAVE, "storno 2 -> 0 of line 7", [SAVED], "storno in part: 2 -> 0 of line 7"),
        (RMA_READ, "", {"order_id": ORDER}, "read the order's returns"),
        (
            RMA_SAVE,
            "3 -> 6",
            [{"order_id": str(ORDER), "emag_id": RMA}],
            f"set the return {RMA}: status 3 -> 6",
        ),
        (
            RMA_SAVE,
            "",
            [{"order_id": ORDER, "emag_id": RMA, "request_status": 6}],
            f"set the return {RMA}: status -> 6",
        ),
        (ATTACHMENTS_SAVE, "attach Factura 12", [{"order_id": ORDER}], "attach Factura 12"),
        (ATTACHMENTS_SAVE, "", [{"order_id": ORDER, "name": "Factura 12"}], "attach Factura 12"),
        (CUSTOMER_INVOICE_READ, "", {}, "read the invoices that eMAG issued"),
    ],
)
async def test_what_was_asked_stands_in_words(
    engine: Engine, route: Route, step: str, body: Any, words: str
) -> None:
    await record(engine, route, Subject(orders=[ORDER], steps=[step] if step else []), body)

    assert [each.asked for each in await told(engine)] == [words]


async def test_of_a_lot_only_its_part_is_told(engine: Engine) -> None:
    subject = Subject(
        orders=[5, ORDER, 6],
        rows=["cancellation:1", "cancellation:2", "cancellation:3"],
        steps=["3 -> 0", "2 -> 0", "3 -> 0"],
        items=3,
    )
    bodies = [{"id": 5, "reason_cancellation": 1}, SAVED, {"id": 6, "reason_cancellation": 2}]
    await record(engine, ORDER_SAVE, subject, bodies)

    [each] = await told(engine)

    assert (each.asked, each.row, each.others) == (
        "cancel: status 2 -> 0, reason 33",
        "cancellation:2",
        2,
    )


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (
            ["ERROR: locked - Order id: 5", f"ERROR: too late - Order id: {ORDER}"],
            "ERROR: too late",
        ),
        (["ERROR: locked - Order id: 5"], "of another: ERROR: locked"),
        (["ERROR: broken"], "ERROR: broken"),
    ],
)
async def test_of_a_lot_the_message_is_the_one_about_it(
    engine: Engine, messages: list[str], said: str
) -> None:
    subject = Subject(orders=[5, ORDER], rows=["cancellation:1", "cancellation:2"], items=2)
    await record(engine, ORDER_SAVE, subject, [{"id": 5}, SAVED], messages=tuple(messages))

    [each] = await told(engine)

    assert each.said.startswith(said)


async def test_a_lot_of_returns_names_them_not_their_orders(engine: Engine) -> None:
    subject = Subject(orders=[5, ORDER], returns=[9, RMA], rows=["rma:1", "rma:2"], items=2)
    said = ("ERROR: no - Rma id: 9", f"ERROR: not yet - Rma id: {RMA}")
    await record(engine, RMA_SAVE, subject, [{"emag_id": 9}, {"emag_id": RMA}], messages=said)

    for [each] in (await told(engine), await told(engine, rma=RMA)):
        assert (each.row, each.said) == ("rma:2", f"ERROR: not yet - Rma id: {RMA}")


@pytest.mark.parametrize(
    ("route", "results", "said"),
    [
        (
            ORDER_READ,
            [{"id": ORDER, "status": 2, "products": [{}]}],
            "status 2 in progress, 1 line",
        ),
        (ORDER_READ, [], "not found"),
        (RMA_READ, [{"emag_id": RMA, "request_status": "6"}], f"RMA {RMA} status 6 received"),
        (RMA_READ, {}, "none found"),
        (ORDER_READ, [{"id": ORDER, "status": "x"}], "status unknown"),
    ],
)
async def test_a_read_tells_what_emag_showed(
    engine: Engine, route: Route, results: Any, said: str
) -> None:
    await record(engine, route, Subject(orders=[ORDER]), {"id": ORDER}, results)

    [each] = await told(engine)

    assert each.said.startswith(said)


async def test_a_call_that_is_under_way_says_so(engine: Engine) -> None:
    await begin(engine, ORDER_READ, Subject(orders=[ORDER]), {"id": ORDER})

    [each] = await told(engine)

    assert (each.verdict, each.said, each.seconds) == ("sent", "", None)


@pytest.mark.parametrize(
    ("keys", "kept", "asked"),
    [
        ([NEW_KEY, OLD_KEY], Kept.WHOLE, "cancel: status 2 -> 0, reason 33"),
        ([NEW_KEY], Kept.OTHER_KEY, "cancel: status 2 -> 0"),
        ([], Kept.NO_KEY, "cancel: status 2 -> 0"),
    ],
)
async def test_a_body_that_stays_sealed_leaves_what_the_columns_say(
    engine: Engine, keys: list[str], kept: Kept, asked: str
) -> None:
    subject = Subject(orders=[ORDER], rows=["cancellation:1"], steps=["2 -> 0"])
    await record(engine, ORDER_SAVE, subject, [SAVED], sealer=sealer_of([OLD_KEY]))

    [each] = await told(engine, sealer=sealer_of(keys))

    assert (each.kept, each.asked, each.row) == (kept, asked, "cancellation:1")
