"""Envelopes: the JSON around every answer."""

from __future__ import annotations

import json

import pytest

from integrations.emag.envelope import read_envelope


def messages(**fields: object) -> tuple[str, ...]:
    envelope = read_envelope(json.dumps({"isError": True, **fields}).encode())
    assert envelope is not None
    return envelope.messages


def test_an_envelope_has_a_flag_messages_and_results() -> None:
    body = b'{"isError":false,"messages":["WARNING: late"],"errors":[],"results":[{"id":1}]}'
    envelope = read_envelope(body)
    assert envelope is not None
    assert envelope.is_error is False
    assert envelope.messages == ("WARNING: late",)
    assert envelope.results == [{"id": 1}]


@pytest.mark.parametrize("flag", ["null", '"false"', "0", "[]"])
def test_a_flag_that_is_no_boolean_says_nothing(flag: str) -> None:
    envelope = read_envelope(b'{"isError":' + flag.encode() + b"}")
    assert envelope is not None
    assert envelope.is_error is None


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, ()),
        ({"messages": None}, ()),
        ({"messages": ["", "  "]}, ()),
        ({"messages": "ERROR: one"}, ("ERROR: one",)),
        ({"message": "API rate limit exceeded"}, ("API rate limit exceeded",)),
        ({"messages": {"0": "ERROR: a", "1": "ERROR: b"}}, ("ERROR: a", "ERROR: b")),
        ({"messages": [{"text": "ERROR: a", "field": "stock"}]}, ("ERROR: a (field stock)",)),
        ({"messages": ["same"], "errors": [{"message": "same"}, "more"]}, ("same", "more")),
        ({"messages": [{"error": "a"}, {"description": "b"}, 7, None]}, ("a", "b")),
        (
            {"message": "ERROR: a; b - Order id: 1; ERROR: c - Order id: 2"},
            ("ERROR: a; b - Order id: 1", "ERROR: c - Order id: 2"),
        ),
    ],
)
def test_messages_are_found_in_every_form(
    fields: dict[str, object], found: tuple[str, ...]
) -> None:
    assert messages(**fields) == found


def test_invoices_may_lie_at_the_root() -> None:
    envelope = read_envelope(b'{"isError":false,"total_results":1,"invoices":[{"number":"A"}]}')
    assert envelope is not None
    assert envelope.results == [{"number": "A"}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"isError":false,"resu',
        b"[]",
        b"null",
        b"\xff\xfe\x00garbage",
        b'{"isError":false,"results":[{"shipping_tax":NaN}]}',
        b'{"isError":false,"results":[{"shipping_tax":1e999}]}',
        b"[" * 100_000,
    ],
    ids=["empty", "html", "cut", "list", "null", "bytes", "nan", "infinity", "deep"],
)
def test_what_is_no_json_object_has_no_envelope(body: bytes) -> None:
    assert read_envelope(body) is None
