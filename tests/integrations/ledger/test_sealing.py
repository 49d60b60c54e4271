"""Bodies in the call record: sealed with a key, free of customers' data without one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet, InvalidToken

from integrations.ledger.sealing import REDACTED, keep, unseal

ORDER: dict[str, Any] = {
    "id": 480000101,
    "status": 2,
    "customer": {"name": "Ioana Exemplu", "phone_1": "0700000001", "iban": "RO00"},
    "observation": "sunati inainte",
    "products": [{"id": 7, "quantity": 2, "name": "Cana"}],
}
RETURN: dict[str, Any] = {
    "emag_id": 52000077,
    "customer_name": "Ioana Exemplu",
    "customer_account_iban": "RO00",
    "pickup_address": "Str. Fictiva 1",
    "request_history": [{"user": "Ioana"}],
    "observations": None,
    "products": [{"id": 1, "observations": "Nu porneste"}],
}


@pytest.mark.parametrize("body", [ORDER, RETURN, [ORDER, RETURN], {"data": [RETURN]}])
def test_without_a_key_nothing_personal_is_kept(body: Any) -> None:
    kept = unseal(keep(body, None), None)
    for personal in (b"Ioana", b"0700000001", b"RO00", b"Fictiva", b"sunati", b"Nu porneste"):
        assert personal not in kept


def test_without_a_key_everything_else_is_kept() -> None:
    kept = orjson.loads(unseal(keep(ORDER, None), None))
    assert kept == {**ORDER, "customer": REDACTED, "observation": REDACTED}
    assert orjson.loads(unseal(keep(RETURN, None), None))["observations"] is None


def test_with_a_key_the_whole_body_is_kept_and_only_the_key_opens_it() -> None:
    key = Fernet(Fernet.generate_key())
    sealed = keep(ORDER, key)
    assert b"Ioana" not in sealed
    assert orjson.loads(unseal(sealed, key)) == ORDER
    with pytest.raises(InvalidToken):
        unseal(sealed, Fernet(Fernet.generate_key()))


def test_a_body_that_is_not_json_is_kept_only_under_a_key() -> None:
    page = b"<html>Ioana 0700000001</html>"
    key = Fernet(Fernet.generate_key())
    assert unseal(keep(page, key), key) == page
    assert unseal(keep(page, None), None) == b"[29 bytes that are not JSON]"
