"""First contact with a real shop, step by step, by reading alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.emag.accounts import with_its_login
from integrations.emag.routes import (
    CUSTOMER_INVOICE_READ,
    ORDER_COUNT,
    ORDER_READ,
    RMA_COUNT,
    RMA_READ,
    Route,
)
from integrations.emag.verdicts import Cause
from integrations.emag.wire import Raw, to_utc, whole_number
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.calls import Subject
from integrations.ledger.clock import read_clock
from integrations.ledger.findings import Finding
from integrations.sync.ask import NEUTRAL, ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.outage import OutageError
from integrations.sync.probe import ask_anew

# A number that no order of this seller has.
NOBODYS_ORDER = 4_294_967_295

MOST_CLOCK_DIFFERENCE = 2.0
PAGE = 100

_OUTAGES: Mapping[Cause, tuple[str, str]] = {
    Cause.CREDENTIALS: (
        "user name and password",
        "check EMAG_USERNAME and EMAG_PASSWORD (or EMAG_ACCOUNTS), and the user's API rights",
    ),
    Cause.ADDRESS: (
        "this host's address",
        "add this host's outgoing IPv4 address to the allowed ones in eMAG's panel",
    ),
    Cause.ROUTE: (
        "the API's address",
        "EMAG_BASE_URL, or base_url in EMAG_ACCOUNTS, must end in /api-3",
    ),
    Cause.NETWORK: ("the way to eMAG", "check the network, DNS and any firewall of this host"),
    Cause.TIMEOUT: ("the way to eMAG", "eMAG did not answer in time: try again later"),
    Cause.SERVER: ("eMAG's servers", "eMAG answers with an error of its own: try again later"),
}


@dataclass
class Visit:
    """What has been found out so far.

    Attributes:
        seen: the fields of a profile that could be told.
        is_outage: eMAG can't be reached, or refuses the credentials or the address.
    """

    findings: list[Finding] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    is_outage: bool = False

    def note(self, name: str, ok: bool, detail: str, remedy: str = "") -> None:
        self.findings.append(Finding(name, ok, detail, "" if ok else remedy))


Step = Callable[[Channel, Visit], Awaitable[None]]


async def visit(channel: Channel) -> Visit:
    """Every step of first contact in order; what stands on a step that failed is left out.

    Nothing is written to eMAG. Each step takes one request or two.
    """
    told = Visit()
    await _clock(channel, told)
    _logins(channel, told)
    for name, step in _STEPS.items():
        try:
            await step(channel, told)
        except OutageError as outage:
            what, remedy = _OUTAGES.get(outage.cause, ("eMAG", "try again later"))
            told.note(what, False, str(outage), remedy)
            told.is_outage = True
            return told
        except BudgetBusyError as busy:
            told.note(name, False, str(busy), "others use the request budget: try again later")
            return told
        except ReadRefusedError as refused:
            told.note(name, False, str(refused), _REFUSED)
    return told


_REFUSED = "eMAG refuses this very read: ask eMAG's partner support whether the login may use it"


async def _clock(channel: Channel, told: Visit) -> None:
    clock = await read_clock(channel.engine)
    ahead = (datetime.now(UTC) - clock.now()).total_seconds()
    told.note(
        "host clock",
        abs(ahead) <= MOST_CLOCK_DIFFERENCE,
        f"this host and the database differ by {ahead:+.1f} s",
        "let NTP set the clock of both; our own times are the database's",
    )


def _logins(channel: Channel, told: Visit) -> None:
    sharing = [other.name for other in with_its_login(channel.account, channel.accounts)]
    detail = f"shared with {', '.join(sharing)}" if sharing else "this account's alone"
    told.note("login", True, f"{detail}; the request limits are counted per login")


async def _contact(channel: Channel, told: Visit) -> None:
    """Address, allow-list, credentials and API right are proved by one answer."""
    await ask_anew(channel, ORDER_COUNT)
    own = await _count(channel, ORDER_COUNT, {"type": 3})
    told.seen["own_orders"] = own
    told.note("credentials", True, f"accepted at {channel.account.platform}; {own} own orders")


async def _fbe(channel: Channel, told: Visit) -> None:
    fbe = await _count(channel, ORDER_COUNT, {"type": 2})
    told.seen["fbe_orders"] = fbe
    told.note("FBE", True, f"{fbe} orders fulfilled by eMAG are visible to this login")


async def _body_shape(channel: Channel, told: Visit) -> None:
    rows = await ask(channel, ORDER_READ, {"id": NOBODYS_ORDER, "type": 3}, Subject())
    honoured = all(whole_number(row.get("id")) == NOBODYS_ORDER for row in rows)
    told.seen["top_level_filters"] = honoured
    told.note(
        "body shape",
        honoured,
        "filters at the top level are honoured" if honoured else "filters are ignored",
        "eMAG would show everything: no sync asks it for this account until a later"
        " `emag-flows doctor` sees filters honoured. Tell us which API version it answers",
    )


async def _pages(channel: Channel, told: Visit) -> None:
    body = {"type": channel.account.order_type, "currentPage": 1, "itemsPerPage": PAGE}
    rows = await ask(channel, ORDER_READ, body, Subject())
    counted = "own_orders" if channel.account.order_type == 3 else "fbe_orders"
    _page_size(told, len(rows), told.seen.get(counted))
    _currency(channel, told, rows)
    _zone(channel, told, rows)


def _page_size(told: Visit, shown: int, there: int | None) -> None:
    """A page that is shorter than what eMAG counts is clipped; without a count, none can be told.

    Args:
        there: how many orders eMAG counts, None where it refused to.
    """
    is_full = shown >= PAGE or 0 < shown < (there or 0)
    if there is None and not is_full:
        told.note("page size", True, "the orders could not be counted: nothing can be told")
        return
    told.seen["page_cap"] = shown if is_full else None
    detail = f"a page holds {shown} rows at most" if is_full else "too few orders to tell"
    told.note("page size", True, detail)


def _currency(channel: Channel, told: Visit, rows: list[Raw]) -> None:
    """What eMAG shows without a currency is taken for the platform's own."""
    found = sorted({str(row["currency"]).upper() for row in rows if row.get("currency")})
    if not found:
        told.note("currency", True, "no order carries a currency: nothing can be told")
        return
    expected = channel.account.currency
    told.seen["currency"] = found[0] if len(found) == 1 else None
    told.note(
        "currency",
        expected in found,
        f"orders carry {', '.join(found)}; {channel.account.platform}'s own is {expected}",
        f"what eMAG shows without a currency would be taken for {expected}: see that EMAG_BASE_URL"
        " is the platform of this shop's country",
    )


def _zone(channel: Channel, told: Visit, rows: list[Raw]) -> None:
    """Times carry no zone: one from the future betrays another than the platform's."""
    times = [to_utc(row.get("modified"), channel.account.zone) for row in rows]
    known = [time for time in times if time is not None]
    if not known:
        told.note("zone", True, "no order carries a time yet: nothing can be told")
        return
    ahead = max(known) - datetime.now(UTC)
    told.seen["minutes_ahead"] = round(ahead / timedelta(minutes=1))
    told.note(
        "zone",
        ahead < timedelta(minutes=5),
        f"the newest order was modified {-told.seen['minutes_ahead']} minutes ago,"
        f" read as {channel.account.zone.key}",
        "eMAG's times seem to be of another zone: windows of 48 hours would be wrong by as much",
    )


async def _returns(channel: Channel, told: Visit) -> None:
    await ask_anew(channel, RMA_READ)
    rows = await ask(channel, RMA_READ, NEUTRAL[RMA_READ], Subject())
    told.note("returns", True, f"readable; {'some are' if rows else 'none is'} new")
    try:
        counted = await _count(channel, RMA_COUNT, {"request_status": 2})
    except (ReadRefusedError, OutageError) as problem:
        if isinstance(problem, OutageError) and problem.cause is not Cause.ROUTE:
            raise
        told.seen["counts_returns"] = False
        told.note("rma/count", True, "does not exist here: returns are counted by reading them")
    else:
        told.seen["counts_returns"] = True
        told.note("rma/count", True, f"exists; {counted} new returns")


async def _documents(channel: Channel, told: Visit) -> None:
    today = datetime.now(UTC).astimezone(channel.account.zone).date()
    since = (today - timedelta(days=27)).isoformat()
    body = {"date_start": since, "date_end": today.isoformat(), "itemsPerPage": 1}
    rows = await ask(channel, CUSTOMER_INVOICE_READ, body, Subject())
    issues = "issues invoices in the seller's name" if rows else "issued none in the last 27 days"
    told.note("invoices", True, f"readable; eMAG {issues}")


async def _count(channel: Channel, route: Route, filters: Mapping[str, Any]) -> int:
    [found, *_] = await ask(channel, route, filters, Subject()) or [{}]
    return whole_number(found.get("noOfItems")) or 0


_STEPS: Mapping[str, Step] = {
    "credentials": _contact,
    "FBE": _fbe,
    "body shape": _body_shape,
    "page size": _pages,
    "returns": _returns,
    "invoices": _documents,
}
