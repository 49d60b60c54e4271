"""The client against servers that misbehave, on real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.emag.routes import ORDER_ACKNOWLEDGE, ORDER_READ, ORDER_SAVE, RMA_SAVE
from integrations.emag.verdicts import Answer, Cause, Verdict
from tests.integrations.emag.conftest import Act, RawServer, account_at

Serve = Callable[[Act], AbstractAsyncContextManager[RawServer]]

OK = b'{"isError":false,"messages":[],"errors":[],"results":[]}'
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def answering(body: bytes, status: str = "200 OK", *headers: str) -> Act:
    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(head(len(body), status, *headers) + body)
        await writer.drain()

    return act


def head(length: int, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def close_before_answering(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset_before_answering(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def cut_in_half(writer: asyncio.StreamWriter) -> None:
    writer.write(head(len(OK)) + OK[:20])
    await writer.drain()


async def talk_garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
    await writer.drain()


async def never_answer(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def never_finish(writer: asyncio.StreamWriter) -> None:
    writer.write(head(len(OK)) + OK[:20])
    await writer.drain()
    await asyncio.Event().wait()


async def answers(account: Account, deadline: float = 5.0) -> tuple[Answer, Answer]:
    """What comes of a read and of a write."""
    async with open_client(account, deadline=deadline) as client:
        read = await client.exchange(ORDER_READ, {"id": 5})
        return read, await client.exchange(ORDER_SAVE, [{"id": 5}])


@pytest.mark.parametrize(
    ("act", "read", "write", "cause"),
    [
        (answering(OK), "applied", "applied", None),
        (close_before_answering, "unavailable", "unknown", "network"),
        (reset_before_answering, "unavailable", "unknown", "network"),
        (cut_in_half, "unavailable", "unknown", "network"),
        (talk_garbage, "unavailable", "unknown", "network"),
        (answering(HTML, "502 Bad Gateway"), "unavailable", "unknown", "server"),
        (answering(HTML, "511 Authentication Required"), "unavailable", "unknown", "server"),
        (answering(HTML), "unavailable", "unknown", "body"),
        (answering(b"", "302 Found", "Location: http://["), "unavailable", "unknown", "route"),
        (answering(b"no", "200 OK", "Content-Encoding: gzip"), "unavailable", "unknown", "body"),
        (answering(b"", "403 Forbidden"), "unavailable", "unavailable", "credentials"),
        (answering(b"", "429 Too Many Requests"), "throttled", "throttled", "limit"),
    ],
    ids=[
        *("answers", "closes", "resets", "half", "garbage", "502", "511", "html", "bad redirect"),
        *("broken gzip", "403", "429"),
    ],
)
async def test_whatever_a_server_does_becomes_a_verdict(
    raw_server: Serve, act: Act, read: str, write: str, cause: str | None
) -> None:
    async with raw_server(act) as server:
        for answer, verdict in zip(await answers(server.account), (read, write), strict=True):
            assert (answer.verdict, answer.cause) == (verdict, cause)


@pytest.mark.parametrize("act", [never_answer, never_finish], ids=["answer", "rest of the body"])
async def test_at_the_deadline_a_read_failed_and_a_write_is_unknown(
    raw_server: Serve, act: Act
) -> None:
    async with raw_server(act) as server:
        read, write = await answers(server.account, deadline=0.2)
        assert (read.verdict, read.cause) == (Verdict.UNAVAILABLE, Cause.TIMEOUT)
        assert (write.verdict, write.cause) == (Verdict.UNKNOWN, Cause.TIMEOUT)
        assert write.seconds >= 0.2


async def test_what_came_before_a_break_is_kept_for_the_record(raw_server: Serve) -> None:
    async with raw_server(cut_in_half) as server:
        _, write = await answers(server.account)
        assert (write.http_status, write.body) == (200, OK[:20])


async def test_a_refused_connection_proves_that_nothing_was_sent(free_port: int) -> None:
    account = account_at(f"http://127.0.0.1:{free_port}/api-3")
    for answer in await answers(account):
        assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.NETWORK)
        assert answer.http_status is None


async def test_a_connection_that_is_never_made_proves_that_nothing_was_sent() -> None:
    """A server that takes the connection and leaves the TLS handshake hanging."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        account = account_at(f"https://127.0.0.1:{silent.getsockname()[1]}/api-3")
        for answer in await answers(account, deadline=0.4):
            assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.TIMEOUT)


async def test_a_handshake_that_fails_proves_that_nothing_was_sent() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"plainly not TLS")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        for answer in await answers(account_at(f"https://127.0.0.1:{port}/api-3")):
            assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.NETWORK)


async def test_waiting_in_vain_for_a_free_connection_proves_that_nothing_was_sent(
    raw_server: Serve,
) -> None:
    async with (
        raw_server(never_answer) as server,
        open_client(server.account, deadline=0.4, max_connections=1) as client,
    ):
        first, second = await asyncio.gather(
            client.exchange(ORDER_SAVE, [{"id": 1}]), client.exchange(ORDER_SAVE, [{"id": 2}])
        )
        assert first.verdict is Verdict.UNKNOWN
        assert (second.verdict, second.cause) == (Verdict.UNAVAILABLE, Cause.TIMEOUT)
        assert len(server.requests) == 1


async def test_a_request_may_have_a_shorter_deadline(raw_server: Serve) -> None:
    async with (
        raw_server(never_answer) as server,
        open_client(server.account, deadline=3600.0) as client,
    ):
        answer = await client.exchange(ORDER_READ, {"id": 5}, within=0.1)
        assert (answer.verdict, answer.cause) == (Verdict.UNAVAILABLE, Cause.TIMEOUT)


async def test_connecting_may_take_longer_than_the_deadline(raw_server: Serve) -> None:
    async with (
        raw_server(never_answer) as server,
        open_client(server.account, deadline=0.4, connecting=30.0, max_connections=1) as client,
    ):
        first, second = await asyncio.gather(
            client.exchange(ORDER_SAVE, [{"id": 1}]), client.exchange(ORDER_SAVE, [{"id": 2}])
        )
        assert {first.verdict, second.verdict} == {Verdict.UNKNOWN}
        assert len(server.requests) == 2


async def test_an_answer_larger_than_the_bound_is_given_up(raw_server: Serve) -> None:
    bomb = gzip.compress(b" " * 2_000_000)
    async with (
        raw_server(answering(bomb, "200 OK", "Content-Encoding: gzip")) as server,
        open_client(server.account, largest_answer=1_000_000) as client,
    ):
        answer = await client.exchange(ORDER_SAVE, [{"id": 1}])
        assert (answer.verdict, answer.cause) == (Verdict.UNKNOWN, Cause.BODY)
        assert len(answer.body) <= 1_000_000


@pytest.mark.parametrize(
    ("headers", "retry_after"), [(["Retry-After: 7"], 7.0), ([], None)], ids=["told", "not told"]
)
async def test_a_429_says_how_long_to_wait_if_emag_does(
    raw_server: Serve, headers: list[str], retry_after: float | None
) -> None:
    act = answering(
        b'{"message":"API rate limit exceeded"}',
        "429 Too Many Requests",
        "X-RateLimit-Remaining-3second: 0",
        *headers,
    )
    async with raw_server(act) as server:
        read, write = await answers(server.account)
        assert read.verdict is write.verdict is Verdict.THROTTLED
        assert write.retry_after == retry_after
        assert write.exhausted == 3.0
        assert write.text() == "API rate limit exceeded"


async def test_a_save_sends_its_entities_under_data(raw_server: Serve) -> None:
    entities = [{"id": 480000101, "name": "Țuică \ud800", "note": None, "tax": 19.99}]
    async with raw_server(answering(OK)) as server, open_client(server.account) as client:
        await client.exchange(RMA_SAVE, entities)
        [(request, body)] = server.requests
    assert request.startswith("POST /api-3/rma/save HTTP/1.1\r\n")
    assert "content-type: application/json" in request.lower()
    assert json.loads(body) == {"data": entities}


async def test_a_read_sends_flat_filters_without_nulls(raw_server: Serve) -> None:
    async with raw_server(answering(OK)) as server, open_client(server.account) as client:
        await client.exchange(ORDER_READ, {"id": 5, "status": None, "type": 0})
        [(_, body)] = server.requests
    assert json.loads(body) == {"id": 5, "type": 0}


async def test_an_acknowledge_names_its_order_in_the_path(raw_server: Serve) -> None:
    async with raw_server(answering(OK)) as server, open_client(server.account) as client:
        answer = await client.exchange(ORDER_ACKNOWLEDGE, None, path_id=480000101)
        [(request, body)] = server.requests
        assert request.startswith("POST /api-3/order/acknowledge/480000101 HTTP/1.1\r\n")
        assert json.loads(body) == []
        assert answer.route is ORDER_ACKNOWLEDGE
        with pytest.raises(ValueError, match="needs a path_id"):
            await client.exchange(ORDER_ACKNOWLEDGE, None)


async def test_a_redirect_is_not_followed_and_no_proxy_is_asked(
    raw_server: Serve, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port}")
    act = answering(b"", "307 Temporary Redirect", "Location: /api-3/elsewhere")
    async with raw_server(act) as server:
        read, _ = await answers(server.account)
        assert (read.http_status, read.cause) == (307, Cause.ROUTE)
        assert len(server.requests) == 2


async def test_a_request_departs_when_it_may_over_a_connection_that_stands(
    raw_server: Serve,
) -> None:
    heard: list[int] = []

    async with raw_server(answering(OK)) as server, open_client(server.account) as client:

        async def departing() -> None:
            heard.append(len(server.requests))
            await asyncio.sleep(0)
            heard.append(len(server.requests))

        answer = await client.exchange(ORDER_SAVE, [], departing=departing)
        assert answer.verdict is Verdict.APPLIED
        assert (heard, len(server.requests)) == ([0, 0], 1)


async def test_what_stops_a_departure_passes_through_and_nothing_is_sent(
    raw_server: Serve,
) -> None:
    async def departing() -> None:
        raise LookupError("no slot")

    async with raw_server(answering(OK)) as server, open_client(server.account) as client:
        with pytest.raises(LookupError, match="no slot"):
            await client.exchange(ORDER_SAVE, [], departing=departing)
        assert server.requests == []
        assert (await client.exchange(ORDER_SAVE, [])).verdict is Verdict.APPLIED


async def test_the_deadline_runs_from_the_departure(raw_server: Serve) -> None:
    deadline = 0.2

    async def departing() -> None:
        await asyncio.sleep(2 * deadline)

    async with (
        raw_server(answering(OK)) as server,
        open_client(server.account, deadline=deadline) as client,
    ):
        answer = await client.exchange(ORDER_SAVE, [], departing=departing)
        assert answer.verdict is Verdict.APPLIED


async def test_cookies_are_not_kept(raw_server: Serve) -> None:
    async with raw_server(answering(OK, "200 OK", "Set-Cookie: PHPSESSID=1; Path=/")) as server:
        await answers(server.account)
        assert "cookie" not in server.requests[1][0].lower()


async def test_a_cancelled_exchange_is_cancelled(raw_server: Serve) -> None:
    arrived = asyncio.Event()

    async def announce(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(announce) as server, open_client(server.account) as client:
        exchange = asyncio.create_task(client.exchange(ORDER_SAVE, [{"id": 1}]))
        await arrived.wait()
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange


async def test_many_requests_at_once_share_the_few_connections(raw_server: Serve) -> None:
    async with (
        raw_server(answering(OK)) as server,
        open_client(server.account, max_connections=2) as client,
    ):
        done = await asyncio.gather(*(client.exchange(ORDER_READ, {"id": n}) for n in range(16)))
        assert {answer.verdict for answer in done} == {Verdict.APPLIED}


async def test_no_log_line_holds_a_password_or_a_body(
    raw_server: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with raw_server(answering(OK)) as server, open_client(server.account) as client:
        await client.exchange(ORDER_SAVE, [{"id": 1, "customer": "Ioana Exemplu"}])
        shown = caplog.text + repr(client) + repr(vars(client))
    [sent] = re.findall(r"(?i)authorization: basic (\S+)", server.requests[0][0])
    assert sent not in shown
    assert "h4-secret" not in shown
    assert "Ioana" not in shown


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port on which nobody listens: it is bound, so that nobody else can take it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
