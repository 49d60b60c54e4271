"""What a client gets when a fault strikes before or after the effect of its request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from integrations.sandbox.exchange import (
    Answer,
    gateway,
    not_allowed,
    refusal,
)
from integrations.sandbox.fault_kinds import SERVER_ERRORS
from integrations.sandbox.faults import Fault
from integrations.sandbox.state import State

PHRASES: dict[int, str] = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    511: "Network Authentication Required",
}
GARBAGE = b"\x1f\x8b\x08\x00\xff\xfe{]\x00\x9c<?"
TRY_AGAIN = "ERROR: An error occurred, please try again"


class NoAnswerError(Exception):
    """No answer shall come: the connection is closed, or `held` until the client closes it."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.held = held


async def suffer(market: State, fault: Fault, answer: Answer | None) -> Answer | None:
    """What a fault makes of an answer (None before the effect); None changes nothing.

    Raises NoAnswerError where no answer shall come.
    """
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
        return answer
    if fault.kind == "cut_body":
        content = answer.content() if answer else b""
        return Answer(content[: len(content) // 2], ok=False)
    return INSTEAD[fault.kind](market, fault)


def throttled(market: State, wait: float = 1.0, *, tells: bool | None = None) -> Answer:
    """The gateway's 429; whether it tells how long to `wait` is a switch, unless said."""
    told = market.switches.retry_after if tells is None else tells
    headers = {"Retry-After": str(max(1, -int(-wait // 1)))} if told else {}
    return gateway(429, "API rate limit exceeded", headers)


def address_refused(market: State, address: str) -> Answer:
    """The refusal of an address that is not allowed (API facts, Authentication)."""
    text = f"ERROR: Invalid vendor ip [{address}]"
    return refusal(market, [text], results=[], status=market.switches.address_refusal)


def server_error(status: int) -> Answer:
    """A server's failure, in the gateway's JSON."""
    return gateway(status, PHRASES[status])


def error_page(status: int) -> Answer:
    """A server's failure as a page for people; that of 511 asks whether one is a robot."""
    title = f"{status} {PHRASES[status]}"
    inner = "<form>Nu sunt robot <input name=captcha></form>" if status == 511 else ""
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n{inner}<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return Answer(page.encode(), status, "text/html", ok=False)


def _silence(*, held: bool) -> NoReturn:
    raise NoAnswerError(held=held)


Instead = Callable[[State, Fault], Answer]


def _json(status: int) -> Instead:
    return lambda market, fault: server_error(status)


def _html(status: int) -> Instead:
    return lambda market, fault: error_page(status)


# What comes instead of the true answer
INSTEAD: dict[str, Instead] = {
    "reset": lambda market, fault: _silence(held=False),
    "timeout": lambda market, fault: _silence(held=True),
    **{f"http_{status}_json": _json(status) for status in SERVER_ERRORS},
    **{f"http_{status}_html": _html(status) for status in SERVER_ERRORS},
    "empty_body": lambda market, fault: Answer(b"", ok=False),
    "garbage_body": lambda market, fault: Answer(GARBAGE, ok=False),
    "error_although_applied": lambda market, fault: refusal(market, [TRY_AGAIN]),
    "locked": lambda market, fault: refusal(market, ["Resource locked for processing"]),
    "throttle": lambda market, fault: throttled(market),
    "throttle_retry_after": lambda market, fault: throttled(market, fault.seconds, tells=True),
    "forbidden": lambda market, fault: not_allowed(),
    "address_refused": lambda market, fault: address_refused(market, "192.0.2.10"),
}
