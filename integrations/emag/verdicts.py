"""What an answer of eMAG's, or its absence, means for what was asked.

Two tables decide. `RULES` finds what happened: the first rule that fits an HTTP answer names it.
`OUTCOMES` says what that means for a read and for a write. A write is `UNKNOWN` unless there is
proof: eMAG has no idempotency key, so a lost answer may hide an effect (API facts: Response
envelope; Quirks). The measured texts are eMAG's own.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import httpx

from integrations.emag.envelope import Envelope, read_envelope
from integrations.emag.masking import masked
from integrations.emag.routes import ORDER_ACKNOWLEDGE, Route


class Verdict(StrEnum):
    """What became of a request.

    UNAVAILABLE and THROTTLED: proved not applied, may be sent again. UNKNOWN: it may have been
    applied, or may still be; only writes end so.
    """

    APPLIED = "applied"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a request was not applied, or is not known to be."""

    NETWORK = "network"
    TIMEOUT = "timeout"
    CREDENTIALS = "credentials"
    ADDRESS = "address"
    ROUTE = "route"
    SERVER = "server"
    BODY = "body"
    LIMIT = "limit"
    LOCKED = "locked"
    BUSINESS = "business"


class Symptom(StrEnum):
    """What happened to a request, in words that go into a sentence about it."""

    NO_CONNECTION = "no connection to eMAG"
    NO_CONNECTION_IN_TIME = "no connection to eMAG in time"
    LOST = "the connection broke before eMAG's answer was complete"
    LATE = "eMAG did not answer in time"
    TOO_LARGE = "eMAG's answer was larger than this project reads"
    GARBLED = "eMAG's answer was not the JSON object that it should be"
    NO_ENVELOPE = "eMAG's answer does not say whether it was an error"
    THROTTLED = "eMAG's request limit was exceeded"
    CREDENTIALS_REFUSED = "eMAG refused the credentials"
    ADDRESS_REFUSED = "eMAG does not accept calls from this address"
    NO_ROUTE = "there is no such route at this address"
    REDIRECTED = "eMAG redirected the call"
    BROKEN = "eMAG had an internal error"
    LOCKED = "eMAG has locked the resource for a moment"
    PARTLY_LOCKED = "eMAG has locked some of the items for a moment"
    OVERSIZED = "the request was larger than eMAG takes"
    DONE_BEFORE = "the order was acknowledged before"
    DONE = "done"
    WARNED = "eMAG called it an error, yet only warned"
    REFUSED = "eMAG refused it"
    REJECTED = "eMAG rejected the request"


class AnswerSizeError(Exception):
    """An answer's body was given up on because of its size."""


FAILURES: Final[tuple[tuple[type[Exception], Symptom], ...]] = (
    (httpx.PoolTimeout, Symptom.NO_CONNECTION_IN_TIME),
    (httpx.ConnectTimeout, Symptom.NO_CONNECTION_IN_TIME),
    (httpx.ConnectError, Symptom.NO_CONNECTION),
    (httpx.TimeoutException, Symptom.LATE),
    (TimeoutError, Symptom.LATE),
    (httpx.DecodingError, Symptom.GARBLED),
    (AnswerSizeError, Symptom.TOO_LARGE),
    (httpx.HTTPError, Symptom.LOST),
    (OSError, Symptom.LOST),
)
"""What stands behind an exception of the HTTP client: the first class that fits."""


class State(StrEnum):
    """What an answer's envelope says about itself."""

    UNREADABLE = "unreadable"
    SILENT = "silent"
    SUCCESS = "success"
    WARNINGS = "an error with nothing but warnings"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to recognise what happened; a part that is left out fits every answer."""

    symptom: Symptom
    statuses: Container[int] = range(100, 1000)
    says: re.Pattern[str] | None = None
    states: Container[State] = frozenset(State)
    route: Route | None = None
    names_items: bool | None = None


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_NO_SUCCESS: Final = frozenset({State.SILENT, State.WARNINGS, State.ERROR})
_ERRORS: Final = frozenset({State.WARNINGS, State.ERROR})

RULES: Final = (
    Rule(Symptom.THROTTLED, {429}),
    Rule(Symptom.ADDRESS_REFUSED, says=_words("invalid vendor ip"), states=_NO_SUCCESS),
    Rule(Symptom.CREDENTIALS_REFUSED, {401, 403}),
    Rule(Symptom.CREDENTIALS_REFUSED, says=_words("not allowed to use this api"), states=_ERRORS),
    Rule(Symptom.NO_ROUTE, {404}, says=_words("no route matched"), states={State.SILENT}),
    Rule(Symptom.OVERSIZED, {413}),
    Rule(Symptom.BROKEN, {408, *range(500, 600)}),
    Rule(Symptom.REDIRECTED, range(300, 400)),
    Rule(Symptom.GARBLED, states={State.UNREADABLE}),
    Rule(
        Symptom.DONE_BEFORE,
        says=_words("already in progress|already been acknowledged"),
        route=ORDER_ACKNOWLEDGE,
    ),
    Rule(
        Symptom.PARTLY_LOCKED, says=_words("resource locked"), states=_NO_SUCCESS, names_items=True
    ),
    Rule(Symptom.LOCKED, says=_words("resource locked"), states=_NO_SUCCESS),
    Rule(Symptom.OVERSIZED, says=_words("maximum input vars"), states=_NO_SUCCESS),
    Rule(Symptom.DONE, range(200, 300), states={State.SUCCESS}, names_items=False),
    Rule(Symptom.REFUSED, range(200, 300), states={State.SUCCESS}, names_items=True),
    Rule(Symptom.WARNED, states={State.WARNINGS}),
    Rule(Symptom.REFUSED, states={State.ERROR}),
    Rule(Symptom.REJECTED, range(400, 500), states={State.SILENT}),
    Rule(Symptom.NO_ENVELOPE),
)
"""What an HTTP answer was: the first rule that fits. The last one fits every answer."""


class Outcome(NamedTuple):
    """What a symptom means for a read and for a write, and why."""

    read: Verdict
    write: Verdict
    cause: Cause | None


_APPLIED, _REFUSED, _THROTTLED = Verdict.APPLIED, Verdict.REFUSED, Verdict.THROTTLED
_UNAVAILABLE, _UNKNOWN = Verdict.UNAVAILABLE, Verdict.UNKNOWN

OUTCOMES: Final[Mapping[Symptom, Outcome]] = {
    Symptom.NO_CONNECTION: Outcome(_UNAVAILABLE, _UNAVAILABLE, Cause.NETWORK),
    Symptom.NO_CONNECTION_IN_TIME: Outcome(_UNAVAILABLE, _UNAVAILABLE, Cause.TIMEOUT),
    Symptom.LOST: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.NETWORK),
    Symptom.LATE: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.TIMEOUT),
    Symptom.TOO_LARGE: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.BODY),
    Symptom.GARBLED: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.BODY),
    Symptom.NO_ENVELOPE: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.BODY),
    Symptom.THROTTLED: Outcome(_THROTTLED, _THROTTLED, Cause.LIMIT),
    Symptom.CREDENTIALS_REFUSED: Outcome(_UNAVAILABLE, _UNAVAILABLE, Cause.CREDENTIALS),
    Symptom.ADDRESS_REFUSED: Outcome(_UNAVAILABLE, _UNAVAILABLE, Cause.ADDRESS),
    Symptom.NO_ROUTE: Outcome(_UNAVAILABLE, _UNAVAILABLE, Cause.ROUTE),
    Symptom.REDIRECTED: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.ROUTE),
    Symptom.BROKEN: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.SERVER),
    Symptom.LOCKED: Outcome(_UNAVAILABLE, _UNAVAILABLE, Cause.LOCKED),
    Symptom.PARTLY_LOCKED: Outcome(_UNAVAILABLE, _UNKNOWN, Cause.LOCKED),
    Symptom.OVERSIZED: Outcome(_REFUSED, _REFUSED, Cause.LIMIT),
    Symptom.DONE_BEFORE: Outcome(_APPLIED, _APPLIED, None),
    Symptom.DONE: Outcome(_APPLIED, _APPLIED, None),
    Symptom.WARNED: Outcome(_REFUSED, _UNKNOWN, Cause.BUSINESS),
    Symptom.REFUSED: Outcome(_REFUSED, _REFUSED, Cause.BUSINESS),
    Symptom.REJECTED: Outcome(_REFUSED, _UNKNOWN, Cause.BODY),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request.

    `messages` and `named` (the id of an item that a bulk save refused, with eMAG's message about
    it) are masked already; `results` and `body` are as eMAG sent them. `retry_after` and `seconds`
    are seconds; `exhausted` is the length, in seconds, of a window in which eMAG has nothing left
    for us.
    """

    route: Route
    verdict: Verdict
    cause: Cause | None = None
    http_status: int | None = None
    messages: tuple[str, ...] = ()
    results: Any = field(default=None, repr=False)
    named: Mapping[int, str] = field(default_factory=dict)
    retry_after: float | None = None
    exhausted: float | None = None
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    symptom: Symptom | None = None

    def text(self) -> str:
        """eMAG's first message, an error before a warning; else in our words what went wrong.

        Empty where nothing did.
        """
        if self.messages:
            return next((text for text in self.messages if not _warns(text)), self.messages[0])
        if self.verdict is Verdict.APPLIED:
            return ""
        what = str(self.symptom or self.verdict)
        return what if self.http_status is None else f"{what} (HTTP {self.http_status})"


def judge(
    route: Route, status: int, headers: Mapping[str, str], body: bytes, seconds: float = 0.0
) -> Answer:
    """What an HTTP answer that arrived whole means."""
    envelope = read_envelope(body)
    messages = envelope.messages if envelope else ()
    named = _named(route, messages)
    state = _state(envelope)
    symptom = next(
        rule.symptom for rule in RULES if _fits(rule, route, status, state, messages, bool(named))
    )
    verdict, cause = _outcome(route, symptom)
    names = {name.lower(): value.strip() for name, value in headers.items()}
    return Answer(
        route=route,
        verdict=verdict,
        cause=cause,
        http_status=status,
        messages=tuple(masked(text) for text in messages),
        results=envelope.results if envelope else None,
        named=named,
        retry_after=_retry_after(names),
        exhausted=_exhausted(names),
        body=body,
        seconds=seconds,
        symptom=symptom,
    )


def _exhausted(headers: Mapping[str, str]) -> float | None:
    """The longest window with no request left (API facts: Rate limits and size limits).

    The window of one second says nothing: requests that are evenly spaced may use it up.
    """
    left = (
        (_WINDOW.fullmatch(name), value)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-remaining-")
    )
    lengths = [
        int(window[1] or 1) * _UNITS[window[2]] for window, value in left if window and value == "0"
    ]
    longest = max(lengths, default=0.0)
    return longest if longest > 1.0 else None


_WINDOW: Final = re.compile(r"x-ratelimit-remaining-([0-9]{0,4})(second|minute)")
_UNITS: Final = {"second": 1.0, "minute": 60.0}


def judge_failure(
    route: Route,
    failure: Exception,
    *,
    status: int | None = None,
    body: bytes = b"",
    seconds: float = 0.0,
) -> Answer:
    """What it means that no whole answer arrived; `status` and `body` are what did arrive."""
    symptom = next(symptom for kind, symptom in FAILURES if isinstance(failure, kind))
    verdict, cause = _outcome(route, symptom)
    return Answer(
        route, verdict, cause, http_status=status, body=body, seconds=seconds, symptom=symptom
    )


def _outcome(route: Route, symptom: Symptom) -> tuple[Verdict, Cause | None]:
    read, write, cause = OUTCOMES[symptom]
    return (write if route.writes else read), cause


def _fits(
    rule: Rule, route: Route, status: int, state: State, messages: tuple[str, ...], named: bool
) -> bool:
    return (
        status in rule.statuses
        and state in rule.states
        and (rule.route is None or rule.route == route)
        and (rule.names_items is None or rule.names_items == named)
        and (rule.says is None or any(rule.says.search(text) for text in messages))
    )


def _state(envelope: Envelope | None) -> State:
    if envelope is None:
        return State.UNREADABLE
    if envelope.is_error is None:
        return State.SILENT
    if not envelope.is_error:
        return State.SUCCESS
    warned = bool(envelope.messages) and all(_warns(text) for text in envelope.messages)
    return State.WARNINGS if warned else State.ERROR


def _warns(text: str) -> bool:
    return text.upper().startswith("WARNING")


_SUFFIX: Final = _words(r" - (Product|Rma|Order) id: (\d{1,19})\s*$")


def _named(route: Route, messages: tuple[str, ...]) -> dict[int, str]:
    """The items that errors name by the suffix of their texts (API facts: Bulk saves)."""
    named: dict[int, str] = {}
    for text in messages:
        match = _SUFFIX.search(text)
        if match and match[1].capitalize() == route.items and not _warns(text):
            named.setdefault(int(match[2]), masked(text))
    return named


_LONGEST_WAIT: Final = 3600.0
_NUMBER: Final = re.compile(r"\d{1,9}(\.\d*)?")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds in a Retry-After header, which holds a number or a date; at most an hour."""
    value = headers.get("retry-after", "")
    seconds = float(value) if _NUMBER.fullmatch(value) else _seconds_until(value, headers)
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_WAIT)


def _seconds_until(date: str, headers: Mapping[str, str]) -> float | None:
    """Seconds from the answer's own date, by the clock that both come from, to this one."""
    moment = _moment(date)
    answered = _moment(headers.get("date", "")) or datetime.now(UTC)
    return None if moment is None else (moment - answered).total_seconds()


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
