"""One request as a route sees it, and the answer it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.journal import RequestRecord, Rule
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json, dumps

JSON_TYPE = "application/json"
GATEWAY_TYPE = "application/json; charset=utf-8"


@dataclass
class Answer:
    """Status, body and headers. A body of bytes goes out as it is."""

    body: object
    status: int = 200
    media_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    ok: bool = True

    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if isinstance(self.body, bytes) else dumps(self.body)


class RefusalError(ValueError):
    """Why eMAG does not take an item of a save, and which of its rules says so."""

    def __init__(self, rule: Rule, text: str) -> None:
        super().__init__(text)
        self.rule: Rule = rule


@dataclass
class Ask:
    """A request whose route, sender and body are known.

    `body` is whatever JSON or form held. `is_form` matters where a form can't say what JSON says
    (null and empty lists vanish from forms). `number` is the id inside the path, if any.
    """

    market: State
    record: RequestRecord
    body: Any
    is_form: bool = False
    number: int | None = None

    def violated(self, rule: Rule, text: str, about: int | None = None) -> None:
        """Journal that something illegal was asked."""
        self.market.journal.violated(self.record, rule, text, at=self.market.now(), about=about)

    def refuse(self, rule: Rule, text: str, status: int = 200, about: int | None = None) -> Answer:
        """Journal an illegal ask and answer with its text as the only message."""
        self.violated(rule, text, about)
        return refusal(self.market, [text], status=status)


def success(results: object) -> Answer:
    """An envelope of good news (API facts, Response envelope)."""
    return Answer({"isError": False, "messages": [], "errors": [], "results": results})


def success_at_root(fields: Mapping[str, object]) -> Answer:
    """An envelope that carries its results beside `isError` instead of in `results`."""
    return Answer({"isError": False, "messages": [], "errors": [], **fields})


def refusal(
    market: State, messages: list[str], *, results: object = (), status: int = 200
) -> Answer:
    """An envelope of bad news; business errors come inside HTTP 200 unless said otherwise."""
    if market.switches.message_key == "message":
        head: Json = {"isError": True, "message": "; ".join(messages)}
    else:
        head = {"isError": True, "messages": messages}
    return Answer({**head, "errors": [], "results": results}, status=status, ok=False)


def gateway(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An answer of the gateway in front of eMAG, which knows no envelope."""
    return Answer({"message": message}, status, GATEWAY_TYPE, headers or {}, ok=False)


def no_route() -> Answer:
    """What the gateway says to an address that leads nowhere (API facts, Hosts)."""
    return gateway(404, "no Route matched with those values")


def not_allowed() -> Answer:
    """Wrong credentials, or a user without API rights (API facts, Authentication)."""
    body = {"isError": True, "messages": ["You are not allowed to use this API."], "results": []}
    return Answer(body, 403, ok=False)
