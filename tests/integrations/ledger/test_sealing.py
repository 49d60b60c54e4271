"""Bodies in the call record: sealed with a key, free of customers' data without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet, InvalidToken

from integrations.ledger.sealing import (
    REDACTED,
    Body,
    Kept,
    keep,
    open_body,
    sealer_of,
    unseal,
)

KEY = Fernet.generate_key().decode()

# Every field of eMAG's objects (API facts: Order object; RMA object; Invoices and attachments);
# what may be a customer's is "PRIVATE".
OBJECTS: dict[str, Any] = json.loads(Path(__file__).with_name("emag_objects.json").read_text())
ORDER = OBJECTS["order"]


@pytest.mark.parametrize("name", OBJECTS)
def test_without_a_key_nothing_of_a_customers_is_kept(name: str) -> None:
    body = {"isError": False, "results": [OBJECTS[name]]}

    assert b"PRIVATE" not in unseal(keep([OBJECTS[name]], None), None)
    assert b"PRIVATE" not in unseal(keep(body, None), None)
    assert b"PRIVATE" not in unseal(keep(orjson.dumps(body), None), None)


@pytest.mark.parametrize("name", OBJECTS)
def test_without_a_key_everything_else_is_kept(name: str) -> None:
    kept = orjson.loads(unseal(keep(OBJECTS[name], None), None))

    for key, value in OBJECTS[name].items():
        if b"PRIVATE" not in orjson.dumps(value):
            assert kept[key] == value, key
    assert all(kept[key] is None for key, value in OBJECTS[name].items() if value is None)


def test_without_a_key_a_field_that_nobody_knows_is_not_kept() -> None:
    kept = orjson.loads(unseal(keep({"id": 1, "nickname": "Nelu", "floor": 4}, None), None))

    assert kept == {"id": 1, "nickname": REDACTED, "floor": REDACTED}


def test_without_a_key_messages_are_kept_without_addresses_and_numbers() -> None:
    said = ["ERROR: 0700 000 001 is no phone", {"text": "a@b.ro is wrong", "field": "email"}]
    kept = orjson.loads(unseal(keep({"isError": True, "messages": said}, None), None))

    assert kept["messages"] == [
        "ERROR: *** is no phone",
        {"text": "*** is wrong", "field": "email"},
    ]


def test_a_body_that_is_nested_too_deeply_is_kept_only_under_a_key() -> None:
    deep = b"[" * 1000 + b"]" * 1000
    key = Fernet(Fernet.generate_key())

    assert unseal(keep(deep, key), key) == deep
    assert unseal(keep(deep, None), None) == b"[JSON that is nested too deeply]"


def test_with_a_key_the_whole_body_is_kept_and_only_the_key_opens_it() -> None:
    key = Fernet(Fernet.generate_key())
    sealed = keep(ORDER, key)
    assert b"PRIVATE" not in sealed
    assert orjson.loads(unseal(sealed, key)) == ORDER
    with pytest.raises(InvalidToken):
        unseal(sealed, Fernet(Fernet.generate_key()))


@pytest.mark.parametrize("orders", [0, 1, 500])
def test_a_body_of_any_length_is_kept_whole_and_shorter_than_it_is(orders: int) -> None:
    body = {"results": [ORDER] * orders, "data": "x" * 100}
    kept = keep(body, None)
    assert len(kept) < len(orjson.dumps(body))
    assert len(orjson.loads(unseal(kept, None))["results"]) == orders


def test_a_body_that_is_not_json_is_kept_only_under_a_key() -> None:
    page = b"<html>Ioana 0700000001</html>"
    key = Fernet(Fernet.generate_key())
    assert unseal(keep(page, key), key) == page
    assert unseal(keep(page, None), None) == b"[29 bytes that are not JSON]"


def test_the_first_key_seals_and_all_of_them_open() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before, rotated = sealer_of([old]), sealer_of([new, old])

    assert open_body(keep(ORDER, before), True, rotated).value == ORDER
    assert open_body(keep(ORDER, rotated), True, sealer_of([new])).value == ORDER
    assert sealer_of([]) is None


def test_what_can_be_seen_of_a_body_is_said() -> None:
    key, other = sealer_of([Fernet.generate_key().decode()]), sealer_of([KEY])
    sealed = keep(ORDER, key)

    assert open_body(sealed, True, key).kept is Kept.WHOLE
    assert open_body(sealed, True, other) == Body(Kept.OTHER_KEY, sealed)
    assert open_body(sealed, True, None).kept is Kept.NO_KEY
    assert open_body(keep(ORDER, None), False, key).kept is Kept.REDACTED
    assert open_body(None, True, key) == Body(Kept.NOTHING, b"")


@pytest.mark.parametrize("content", [b"<html>", b"[" * 5000, b"\xff"])
def test_a_body_that_is_no_json_has_no_value(content: bytes) -> None:
    assert Body(Kept.WHOLE, content).value is None
