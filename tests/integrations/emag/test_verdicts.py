"""Verdicts: the table, row by row, for reads and for writes."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from integrations.emag.routes import (
    ATTACHMENTS_SAVE,
    ORDER_ACKNOWLEDGE,
    ORDER_READ,
    ORDER_SAVE,
    RMA_READ,
    RMA_SAVE,
    Route,
)
from integrations.emag.verdicts import (
    OUTCOMES,
    RULES,
    Answer,
    AnswerSizeError,
    Cause,
    Symptom,
    Verdict,
    judge,
    judge_failure,
)

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
ERROR = "ERROR: please provide the customer name"


def envelope(*messages: str, error: bool = True, **other: Any) -> bytes:
    fields = {"isError": error, "messages": messages, "errors": [], "results": []}
    return json.dumps({**fields, **other}).encode()


def gateway(message: str) -> bytes:
    return json.dumps({"message": message}).encode()


OK = envelope(error=False)
WARNED = envelope("WARNING: a", "WARNING: b")
STRANGER = envelope("You are not allowed to use this API.")
ADDRESS = envelope("ERROR: Invalid vendor ip [203.0.113.7]")
NO_ROUTE = gateway("no Route matched with those values")
LOCKED = "Resource locked for processing"
TOO_MUCH = "Maximum input vars of 4000 exceeded"
OVER_LIMIT = gateway("API rate limit exceeded")

# (what happened, HTTP status, body, verdict of a read, verdict of a write, cause)
ANSWERS: list[tuple[str, int, bytes, str, str, str | None]] = [
    ("done", 200, OK, "applied", "applied", None),
    ("done, 201", 201, OK, "applied", "applied", None),
    ("done, warned", 200, envelope("WARNING: x", error=False), "applied", "applied", None),
    ("business error", 200, envelope(ERROR), "refused", "refused", "business"),
    ("business error, 400", 400, envelope(ERROR), "refused", "refused", "business"),
    ("error without a word", 200, envelope(), "refused", "refused", "business"),
    ("error, warned", 200, envelope("WARNING: a", ERROR), "refused", "refused", "business"),
    ("only warned", 200, WARNED, "refused", "unknown", "business"),
    ("too many elements", 200, envelope(TOO_MUCH), "refused", "refused", "limit"),
    ("too many elements, bare", 200, gateway(TOO_MUCH), "refused", "refused", "limit"),
    ("too many bytes", 413, HTML, "refused", "refused", "limit"),
    ("throttled", 429, OVER_LIMIT, "throttled", "throttled", "limit"),
    ("throttled, html", 429, HTML, "throttled", "throttled", "limit"),
    ("throttled, empty", 429, b"", "throttled", "throttled", "limit"),
    ("credentials", 403, STRANGER, "unavailable", "unavailable", "credentials"),
    ("credentials, 401", 401, b"", "unavailable", "unavailable", "credentials"),
    ("credentials, 200", 200, STRANGER, "unavailable", "unavailable", "credentials"),
    ("address", 200, ADDRESS, "unavailable", "unavailable", "address"),
    ("address, 403", 403, ADDRESS, "unavailable", "unavailable", "address"),
    ("no route", 404, NO_ROUTE, "unavailable", "unavailable", "route"),
    ("locked", 200, envelope(LOCKED), "unavailable", "unavailable", "locked"),
    ("locked, 423", 423, gateway(LOCKED), "unavailable", "unavailable", "locked"),
    ("500", 500, envelope(ERROR), "unavailable", "unknown", "server"),
    ("500, no error", 500, OK, "unavailable", "unknown", "server"),
    ("502", 502, HTML, "unavailable", "unknown", "server"),
    ("503, empty", 503, b"", "unavailable", "unknown", "server"),
    ("504", 504, HTML, "unavailable", "unknown", "server"),
    ("captcha", 511, HTML, "unavailable", "unknown", "server"),
    ("408", 408, b"", "unavailable", "unknown", "server"),
    ("redirect", 302, b"", "unavailable", "unknown", "route"),
    ("html in 200", 200, HTML, "unavailable", "unknown", "body"),
    ("html in 404", 404, HTML, "unavailable", "unknown", "body"),
    ("half a body", 200, b'{"isError":false,"resul', "unavailable", "unknown", "body"),
    ("nothing", 200, b"", "unavailable", "unknown", "body"),
    ("204", 204, b"", "unavailable", "unknown", "body"),
    ("a list", 200, b"[]", "unavailable", "unknown", "body"),
    ("no isError", 200, b'{"results":[]}', "unavailable", "unknown", "body"),
    ("isError null", 200, b'{"isError":null}', "unavailable", "unknown", "body"),
    ("isError 0", 200, b'{"isError":0}', "unavailable", "unknown", "body"),
    ("no error, 400", 400, OK, "unavailable", "unknown", "body"),
    ("rejected", 400, gateway("Invalid content"), "refused", "unknown", "body"),
    ("wrong platform", 412, gateway("Vendor is not the owner"), "refused", "unknown", "body"),
]

FAILURES: list[tuple[Exception, str, str, str]] = [
    (httpx.ConnectError("refused"), "unavailable", "unavailable", "network"),
    (httpx.ConnectTimeout("slow"), "unavailable", "unavailable", "timeout"),
    (httpx.PoolTimeout("busy"), "unavailable", "unavailable", "timeout"),
    (httpx.ReadTimeout("slow"), "unavailable", "unknown", "timeout"),
    (httpx.WriteTimeout("slow"), "unavailable", "unknown", "timeout"),
    (TimeoutError(), "unavailable", "unknown", "timeout"),
    (httpx.ReadError("reset"), "unavailable", "unknown", "network"),
    (httpx.WriteError("reset"), "unavailable", "unknown", "network"),
    (httpx.CloseError("reset"), "unavailable", "unknown", "network"),
    (httpx.RemoteProtocolError("half"), "unavailable", "unknown", "network"),
    (httpx.LocalProtocolError("half"), "unavailable", "unknown", "network"),
    (ConnectionResetError(), "unavailable", "unknown", "network"),
    (ssl.SSLError(), "unavailable", "unknown", "network"),
    (httpx.DecodingError("gzip"), "unavailable", "unknown", "body"),
    (AnswerSizeError(), "unavailable", "unknown", "body"),
]


@pytest.mark.parametrize(
    ("status", "body", "read", "write", "cause"),
    [row[1:] for row in ANSWERS],
    ids=[row[0] for row in ANSWERS],
)
def test_an_answer_means_what_the_table_says(
    status: int, body: bytes, read: str, write: str, cause: str | None
) -> None:
    for route, verdict in ((ORDER_READ, read), (RMA_READ, read), (RMA_SAVE, write)):
        answer = judge(route, status, {}, body)
        assert (answer.verdict, answer.cause) == (verdict, cause)
        assert (answer.route, answer.http_status, answer.body) == (route, status, body)


@pytest.mark.parametrize(
    ("failure", "read", "write", "cause"), FAILURES, ids=[type(row[0]).__name__ for row in FAILURES]
)
def test_a_missing_answer_means_what_the_table_says(
    failure: Exception, read: str, write: str, cause: str
) -> None:
    for route, verdict in ((ORDER_READ, read), (ORDER_SAVE, write), (ORDER_ACKNOWLEDGE, write)):
        answer = judge_failure(route, failure, seconds=1.5)
        assert (answer.verdict, answer.cause, answer.http_status) == (verdict, cause, None)
        assert answer.seconds == 1.5


def test_every_symptom_has_an_outcome_and_the_last_rule_fits_everything() -> None:
    assert set(OUTCOMES) == set(Symptom)
    last = RULES[-1]
    assert (last.says, last.route, last.names_items) == (None, None, None)


@pytest.mark.parametrize("symptom", list(Symptom))
def test_no_read_is_unknown_and_all_that_was_not_applied_has_a_cause(symptom: Symptom) -> None:
    outcome = OUTCOMES[symptom]
    assert outcome.read is not Verdict.UNKNOWN
    assert (outcome.cause is None) == (outcome.write is Verdict.APPLIED)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "ERROR: Order is already in progress."),
        (200, "ERROR: Order is already in progress."),
        (200, "WARNING: Order has already been acknowledged."),
    ],
)
def test_an_order_that_was_acknowledged_before_is_acknowledged(status: int, message: str) -> None:
    answer = judge(ORDER_ACKNOWLEDGE, status, {}, envelope(message))
    assert (answer.verdict, answer.cause) == (Verdict.APPLIED, None)
    assert judge(ORDER_SAVE, status, {}, envelope(message)).verdict is not Verdict.APPLIED


def test_another_refusal_of_an_acknowledge_is_a_refusal() -> None:
    answer = judge(ORDER_ACKNOWLEDGE, 400, {}, envelope("ERROR: Order not found."))
    assert answer.verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("route", "word"), [(ORDER_SAVE, "Order"), (ATTACHMENTS_SAVE, "Order"), (RMA_SAVE, "Rma")]
)
def test_errors_name_the_items_that_were_not_saved(route: Route, word: str) -> None:
    body = envelope(
        f"ERROR: please provide the customer name - {word} id: 52000077",
        f"WARNING: saved, yet late - {word} id: 52000078",
        f"not possible - {word.upper()} ID: 4294967295 ",
        "ERROR: something else - Product id: 12",
        f"ERROR: the date of {word} id: 3 is wrong",
    )
    answer = judge(route, 200, {}, body)
    assert answer.verdict is Verdict.REFUSED
    assert answer.named == {
        52000077: f"ERROR: please provide the customer name - {word} id: 52000077",
        4294967295: f"not possible - {word.upper()} ID: 4294967295",
    }


def test_the_first_error_about_an_item_is_the_one_that_is_told() -> None:
    answer = judge(RMA_SAVE, 200, {}, envelope("ERROR: a - Rma id: 1", "ERROR: b - Rma id: 1"))
    assert answer.named == {1: "ERROR: a - Rma id: 1"}


def test_reads_name_no_items() -> None:
    assert judge(RMA_READ, 200, {}, envelope("ERROR: a - Rma id: 1")).named == {}


def test_an_item_that_an_error_names_was_not_saved_even_where_the_lot_is_called_a_success() -> None:
    answer = judge(RMA_SAVE, 200, {}, envelope("ERROR: a - Rma id: 1", error=False))
    assert answer.verdict is Verdict.REFUSED
    assert set(answer.named) == {1}


def test_where_a_part_of_a_lot_is_locked_the_rest_may_have_been_saved() -> None:
    body = envelope("ERROR: Resource locked for processing - Order id: 5")
    assert judge(ORDER_SAVE, 200, {}, body).verdict is Verdict.UNKNOWN
    assert judge(ORDER_SAVE, 200, {}, body).cause is Cause.LOCKED


def test_results_come_as_emag_sent_them() -> None:
    body = envelope(error=False, results={"noOfItems": "797"})
    assert judge(ORDER_READ, 200, {}, body).results == {"noOfItems": "797"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("999999", 3600.0),
        ("soon", None),
        ("nan", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_of_at_most_an_hour(
    header: str | None, seconds: float | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    assert judge(ORDER_READ, 429, headers, b"").retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(hours=5), usegmt=True)
    assert judge(ORDER_READ, 429, {"retry-after": until}, b"").retry_after == 3600.0


@pytest.mark.parametrize(
    ("date", "seconds"), [("Wed, 21 Oct 2015 07:27:30 GMT", 30.0), ("yesterday", 0.0)]
)
def test_a_date_to_retry_after_is_measured_from_the_answers_own(date: str, seconds: float) -> None:
    headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": date}
    assert judge(ORDER_READ, 429, headers, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "exhausted"),
    [
        ({}, None),
        ({"X-RateLimit-Remaining-3second": "1"}, None),
        ({"X-RateLimit-Remaining-3second": "0"}, 3.0),
        ({"x-ratelimit-remaining-minute": " 0 "}, 60.0),
        ({"x-ratelimit-remaining-second": "0"}, None),
        ({"x-ratelimit-remaining-fortnight": "0"}, None),
        ({"X-RateLimit-Limit-3second": "0"}, None),
    ],
)
def test_an_exhausted_window_is_noticed_on_every_answer(
    headers: dict[str, str], exhausted: float | None
) -> None:
    assert judge(ORDER_READ, 200, headers, envelope(error=False)).exhausted == exhausted
    assert judge(ORDER_READ, 429, headers, b"").exhausted == exhausted


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (judge(ORDER_SAVE, 200, {}, envelope("WARNING: late", ERROR)), ERROR),
        (judge(ORDER_SAVE, 200, {}, envelope("WARNING: late")), "WARNING: late"),
        (judge(ORDER_SAVE, 502, {}, HTML), "eMAG had an internal error (HTTP 502)"),
        (judge_failure(ORDER_SAVE, TimeoutError()), "eMAG did not answer in time"),
        (Answer(ORDER_SAVE, Verdict.THROTTLED), "throttled"),
        (judge(ORDER_SAVE, 200, {}, OK), ""),
    ],
)
def test_a_text_says_in_a_line_what_came_of_it(answer: Answer, text: str) -> None:
    assert answer.text() == text


def test_no_customers_data_shows_in_an_answers_texts() -> None:
    leak = "ERROR: ioana@mail.example.com and 0700000001 of RO49AAAA1B31007593840000 - Rma id: 7"
    echo = [[{"customer_name": "Ioana Exemplu", "emag_id": 7}]]
    answer = judge(RMA_SAVE, 200, {}, envelope(leak, results=echo))
    masked = "ERROR: *** and *** of *** - Rma id: 7"
    assert (answer.text(), answer.messages, answer.named) == (masked, (masked,), {7: masked})
    assert "Ioana" not in repr(answer)
    assert "0700000001" not in repr(answer)


def test_a_page_of_html_never_becomes_a_text() -> None:
    assert "nginx" not in judge(ORDER_READ, 502, {}, HTML).text()
