"""Evidence for a dispute: everything about each call, and digests by which it can be compared."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.emag.routes import ORDER_READ, ORDER_SAVE
from integrations.emag.verdicts import judge
from integrations.ledger.calls import Subject, close_call
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.evidence import write_evidence
from integrations.ledger.history import Wanted
from integrations.ledger.sealing import Sealer, sealer_of
from tests.integrations.ledger.recording import begin, record

KEY = "tMf-_la7OunCiXuSFkpCF2LO-7pm0gJmJq8JNw2zGPE="
OTHER = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
ORDER = 480000101
SUBJECT = Subject(orders=[ORDER], rows=["cancellation:1"], steps=["2 -> 0"])
BODY = [{"id": ORDER, "status": 0, "customer": {"name": "Ștefan Exemplu"}}]


async def evidence(
    engine: Engine, wanted: Wanted | None = None, sealer: Sealer | None = None
) -> Any:
    pieces = write_evidence(engine, wanted or Wanted(order=ORDER), sealer)
    return json.loads(b"".join([piece async for piece in pieces]))


async def test_the_header_says_who_asked_for_what_and_when(engine: Engine) -> None:
    since = datetime(2026, 11, 2, tzinfo=UTC)
    document = await evidence(engine, Wanted(order=ORDER, since=since))

    header = document["header"]
    assert header["filter"] == {
        "order": ORDER,
        "rma": None,
        "since": "2026-11-02T00:00:00+00:00",
        "until": None,
    }
    assert all(header["exported_by"].values())
    assert datetime.fromisoformat(header["exported_at"]).tzinfo
    assert (document["calls"], document["count"]) == ([], 0)


async def test_every_call_is_in_it_with_all_that_is_known(engine: Engine) -> None:
    await record(engine, ORDER_READ, Subject(orders=[ORDER]), {"id": ORDER})
    await record(engine, ORDER_SAVE, SUBJECT, BODY, messages=("ERROR: too late",))

    document = await evidence(engine)

    assert [call["route"] for call in document["calls"]] == ["order/read", "order/save"]
    assert document["count"] == 2
    save = document["calls"][1]
    assert (save["account"], save["platform"], save["verdict"]) == ("main", "emag-bg", "refused")
    assert (save["rows"], save["steps"]) == (["cancellation:1"], ["2 -> 0"])
    assert (save["message"], save["http_status"]) == ("ERROR: too late", 200)
    assert json.loads(save["answer"]["text"])["messages"] == ["ERROR: too late"]


async def test_times_stand_in_utc_and_in_the_platforms_zone(engine: Engine) -> None:
    await record(engine, ORDER_SAVE, SUBJECT, BODY)
    async with transaction(engine) as connection:
        await connection.execute(
            "UPDATE app.emag_api_calls SET closed_at = '2026-11-24 10:00:00+00'"
        )

    [call] = (await evidence(engine))["calls"]

    assert call["answered"] == {
        "utc": "2026-11-24T10:00:00+00:00",
        "local": "2026-11-24T12:00:00+02:00",
        "zone": "Europe/Sofia",
    }


@pytest.mark.parametrize(
    ("recorded", "opened", "kept"),
    [
        ([KEY], [OTHER, KEY], "whole"),
        ([], [KEY], "redacted"),
        ([KEY], [OTHER], "sealed with another key"),
        ([KEY], [], "sealed, and no key is set"),
    ],
)
async def test_each_body_says_how_it_was_kept_and_proves_itself(
    engine: Engine, recorded: list[str], opened: list[str], kept: str
) -> None:
    await record(engine, ORDER_SAVE, SUBJECT, BODY, sealer=sealer_of(recorded))

    [call] = (await evidence(engine, sealer=sealer_of(opened)))["calls"]

    request = call["request"]
    content = request["text"].encode()
    assert (request["kept"], request["bytes"]) == (kept, len(content))
    assert request["sha256"] == hashlib.sha256(content).hexdigest()
    assert ("Ștefan Exemplu" in request["text"]) == (kept == "whole")


async def test_bytes_that_are_no_text_are_kept_as_base64(engine: Engine) -> None:
    sealer = sealer_of([KEY])
    call = await begin(engine, ORDER_SAVE, SUBJECT, BODY, sealer)
    await close_call(engine, call, judge(ORDER_SAVE, 502, {}, b"\xff\x00"), sealer)

    [found] = (await evidence(engine, sealer=sealer))["calls"]

    assert base64.b64decode(found["answer"]["base64"]) == b"\xff\x00"


async def test_a_call_without_an_answer_says_so(engine: Engine) -> None:
    await begin(engine, ORDER_SAVE, SUBJECT, BODY)

    [call] = (await evidence(engine))["calls"]

    assert (call["verdict"], call["answered"]) == ("sent", None)
    assert call["answer"]["kept"] == "nothing was recorded"
