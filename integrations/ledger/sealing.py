"""How bodies are kept in the call record: sealed with the seller's key, or redacted without one."""

from __future__ import annotations

import json
import zlib
from typing import Any, Protocol

import orjson

# Keys under which eMAG and we send what belongs to a customer.
PERSONAL = frozenset(
    {
        "customer",
        "observation",
        "observations",
        "liable_person",
        "return_address_snapshot",
        "request_history",
        "locker",
        "details",
        "supplier",
    }
)
PERSONAL_PREFIXES = ("customer_", "pickup_", "billing_", "shipping_", "phone", "email", "iban")
REDACTED = "[redacted]"


class Sealer(Protocol):
    """What encrypts and decrypts, such as a Fernet."""

    def encrypt(self, data: bytes) -> bytes: ...

    def decrypt(self, token: bytes) -> bytes: ...


def keep(body: Any, sealer: Sealer | None) -> bytes:
    """A body (JSON value, or the bytes of an unreadable one) in the form it is stored in."""
    if sealer is not None:
        plain = body if isinstance(body, bytes) else _json(body)
        return sealer.encrypt(zlib.compress(plain, 1))
    try:
        value = orjson.loads(body) if isinstance(body, bytes) else body
    except orjson.JSONDecodeError:
        return zlib.compress(f"[{len(body)} bytes that are not JSON]".encode(), 1)
    return zlib.compress(_json(redacted(value)), 1)


def _json(value: Any) -> bytes:
    """A value as JSON; orjson knows no lone surrogates, no long numbers and no deep nesting."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def unseal(stored: bytes, sealer: Sealer | None) -> bytes:
    """The kept body's bytes; `sealer` must be the one it was kept with."""
    return zlib.decompress(sealer.decrypt(stored) if sealer is not None else stored)


def redacted(value: Any) -> Any:
    """The same JSON value with everything personal replaced."""
    if isinstance(value, dict):
        return {
            key: REDACTED if each and is_personal(key) else redacted(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [redacted(each) for each in value]
    return value


def is_personal(key: str) -> bool:
    """Whether what stands under this key may belong to a customer."""
    return key in PERSONAL or key.startswith(PERSONAL_PREFIXES)
