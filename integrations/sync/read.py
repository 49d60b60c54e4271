"""Read eMAG's state for claimed rows in the cheapest way: singly, or by pages of open ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from integrations.emag.accounts import rate
from integrations.emag.matrices import OrderStatus, ReturnStatus
from integrations.emag.routes import ORDER_COUNT, ORDER_READ, RMA_READ, Route
from integrations.emag.wire import Raw, Return, WireError, read_order, read_return
from integrations.erp.rows import Kind
from integrations.ledger.calls import Subject
from integrations.ledger.instants import Instant
from integrations.sync.abreast import abreast
from integrations.sync.ask import ReadFailedError, ReadRefusedError, ask
from integrations.sync.channel import Channel
from integrations.sync.listing import PAGE, FilterIgnoredError, pages
from integrations.sync.page import Page
from integrations.sync.work import Batch, Copy, Work, fail

# Below this many rows pages can hardly be cheaper than single reads.
WORTH_PAGING = 8

# So many pages may hold none of our rows before the first that does.
VAIN_PAGES = 2

# Copies must still be young when they are written back: this share of their age goes to reading.
READING_SHARE = 0.4

# Ids end here (API facts: Filters of order/read); no longer text is turned into a number.
HIGHEST = 4_294_967_295
DIGITS = 20

# What the seller sells and what eMAG fulfils is listed apart (API facts: Filters).
OTHER_TYPE = {3: 2, 2: 3}

OPEN_ORDERS = [int(OrderStatus.NEW), int(OrderStatus.IN_PROGRESS), int(OrderStatus.PREPARED)]
OPEN_RETURNS = (ReturnStatus.RECEIVED, ReturnStatus.ACKNOWLEDGED, ReturnStatus.NEW)

Fits = Callable[[Raw], bool]


async def page_copies(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    """Give rows a copy of eMAG's state from pages of open ones, where that takes fewer requests.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    missing = [work for work in works if work.copy is None and not work.thorough]
    if missing:
        # What a page does not give is read singly.
        with suppress(ReadRefusedError, FilterIgnoredError):
            await _PAGED[batch.kind](channel, missing)


async def read_singly(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    """Give each row without a copy one of its own, or end it where eMAG's answer is unusable.

    Raises:
        OutageError, BudgetBusyError: nothing can be asked of eMAG now.
    """
    missing = [work for work in works if work.copy is None and work.open]
    await abreast(channel, missing, _SINGLY[batch.kind])


def most_singles(channel: Channel, kind: Kind) -> int:
    """How many single reads fit into the time that copies may age while others are read."""
    route = RMA_READ if kind is Kind.RMA else ORDER_READ
    return max(1, int(rate(channel.account, route) * channel.timings.copy_age * READING_SHARE))


async def _page_orders(channel: Channel, works: Sequence[Work]) -> None:
    """Take what the pages of open orders hold, if these are fewer than the rows, as far as it pays.

    Orders that are not open are in no page: when page after page holds none of ours, it ends. Nor
    are most orders open about which something was sent: for these alone no page is read.
    """
    unsent = [work for work in works if not work.claim.sent]
    if len(unsent) < WORTH_PAGING:
        return
    wanted = {work.claim.order_id: work for work in works}
    filters = {"status": OPEN_ORDERS, "type": channel.account.order_type}
    [count, *_] = await ask(channel, ORDER_COUNT, filters, Subject()) or [{}]
    full = -(-_number(count.get("noOfItems")) // PAGE)
    if not 0 < full < len(unsent) - 1:
        return
    spare = VAIN_PAGES + full // 10
    async for page in pages(channel, ORDER_READ, filters, key=_order_id):
        before = len(wanted)
        for raw in page.rows:
            work = wanted.pop(_number(raw.get("id")), None)
            if work is not None:
                _with_order(channel, work, page.began, raw)
        spare += before - len(wanted) - 1
        if spare < 0 or not any(work.copy is None and work.open for work in unsent):
            return


async def _page_returns(channel: Channel, works: Sequence[Work]) -> None:
    """Take what the listings of open returns hold, while a page saves more than one single read.

    A row that is not linked yet needs all open returns of its order: only whole listings serve it.
    Where none of them will do, a closed one may: the row is read singly. Listings that turn out too
    long are not tried again in this run. Pages that the way in shares cost nothing, so they are
    taken as long as copies may age.
    """
    since = Instant.now()
    scan = channel.scan
    shared = scan is not None and scan.began is None
    if channel.tally.too_many_returns or not (shared or len(works) >= WORTH_PAGING):
        return
    linked = {work.known.emag_id: work for work in works if work.known.emag_id is not None}
    by_order = {work.claim.order_id: work for work in works if work.known.emag_id is None}
    found: dict[int, list[Raw]] = {}
    spare, left = VAIN_PAGES, most_singles(channel, Kind.RMA)
    async for page in scan.pages(channel) if scan and shared else _return_pages(channel):
        for raw in page.rows if page.began.monotonic >= since.monotonic else ():
            work = linked.pop(str(raw.get("emag_id")), None)
            if work is not None:
                _with_returns(channel, work, page.began, [raw])
            order_id = _number(raw.get("order_id"))
            if order_id in by_order:
                found.setdefault(order_id, []).append(raw)
            spare += work is not None or order_id in by_order
        spare, left = spare - 1, left - 1
        if left <= 0 or (spare < 0 and not shared):
            channel.tally.too_many_returns = True
            return
    for order_id, raws in found.items():
        _with_returns(channel, by_order[order_id], since, raws, whole=False)


async def _return_pages(channel: Channel) -> AsyncIterator[Page]:
    """All open returns of the account by pages."""
    for status in OPEN_RETURNS:
        filters = {"request_status": int(status), "type": channel.account.order_type}
        async for page in pages(channel, RMA_READ, filters, key=_emag_id, fits=_has(status)):
            yield page


def _is_order(order_id: int) -> Fits:
    return lambda raw: _number(raw.get("id")) == order_id


def _is_of_order(order_id: int) -> Fits:
    return lambda raw: _number(raw.get("order_id")) == order_id


def _is_return(emag_id: int) -> Fits:
    return lambda raw: _number(raw.get("emag_id")) == emag_id


def _has(status: ReturnStatus) -> Fits:
    return lambda raw: _number(raw.get("request_status")) in (status, -1)


def _emag_id(raw: Raw) -> object:
    return str(raw.get("emag_id"))


def _order_id(raw: Raw) -> object:
    return str(raw.get("id"))


async def _read_order(channel: Channel, work: Work) -> None:
    """One order by its id, of the account's type first and then of the other."""
    order_id = work.claim.order_id
    own = channel.account.order_type
    for order_type in (own, OTHER_TYPE[own]):
        began = Instant.now()
        body = {"id": order_id, "type": order_type}
        raws = await _ask_for(channel, work, ORDER_READ, body, _is_order(order_id))
        if raws:
            _with_order(channel, work, began, raws[0])
        elif raws is not None and order_type != own:
            work.copy = Copy(began)
        if raws or raws is None:
            return


async def _read_returns(channel: Channel, work: Work) -> None:
    """The return that the row names, or those of its order.

    Of the account's type first, and where there is none, or none that will do, of the other: what
    eMAG shows unless it is asked for a type is not known (API facts: Filters of rma/read).
    """
    emag_id = work.known.emag_id
    began = Instant.now()
    filters, fits = {"order_id": work.claim.order_id}, _is_of_order(work.claim.order_id)
    if emag_id is not None:
        number = _number(emag_id)
        if not 0 < number <= HIGHEST:
            work.copy = Copy(began)
            return
        filters, fits = {"emag_id": number}, _is_return(number)
    raws: list[Raw] = []
    own = channel.account.order_type
    for order_type in (own, OTHER_TYPE[own]):
        body = {**filters, "type": order_type, "itemsPerPage": PAGE}
        found = await _ask_for(channel, work, RMA_READ, body, fits)
        if found is None:
            return
        raws += found
        if raws and not work.thorough:
            break
    whole = emag_id is not None or order_type != own
    _with_returns(channel, work, began, raws, whole=whole)


async def order_is_known(channel: Channel, order_id: int) -> bool:
    """Whether eMAG has the order, of whichever type.

    Raises:
        OutageError, BudgetBusyError, ReadRefusedError: that can't be told now.
    """
    for order_type in (channel.account.order_type, OTHER_TYPE[channel.account.order_type]):
        body = {"id": order_id, "type": order_type}
        page = await ask(channel, ORDER_READ, body, Subject(orders=[order_id]))
        if _asked_for(ORDER_READ, page, _is_order(order_id)):
            return True
    return False


def _asked_for(route: Route, page: Sequence[Raw], fits: Fits) -> list[Raw]:
    """The rows that were asked for: eMAG leaves out a filter silently (API facts: Quirks).

    Raises:
        ReadFailedError: only others are there, which says nothing of these.
    """
    found = [raw for raw in page if fits(raw)]
    if page and not found:
        raise ReadFailedError(
            f"{route.path} showed {len(page)} others instead of what was asked for; if it stays so,"
            " see what `emag-flows doctor` says of filters"
        )
    return found


async def _ask_for(
    channel: Channel, work: Work, route: Route, body: Mapping[str, Any], fits: Fits
) -> list[Raw] | None:
    """What a single read was to show; None where that can't be had, which ends the row's way."""
    subject = Subject(orders=[work.claim.order_id])
    try:
        return _asked_for(route, await ask(channel, route, body, subject), fits)
    except ReadRefusedError as refused:
        fail(work, f"eMAG could not be asked about this row: {refused}", channel.timings)
        return None


def _with_order(channel: Channel, work: Work, began: Instant, raw: Raw) -> None:
    try:
        work.copy = Copy(began, order=read_order(raw, channel.account.zone))
    except WireError as error:
        fail(work, str(error), channel.timings)


def _with_returns(
    channel: Channel, work: Work, began: Instant, raws: Sequence[Raw], *, whole: bool = True
) -> None:
    try:
        returns = tuple(_read_return(channel, raw) for raw in raws)
    except WireError as error:
        fail(work, str(error), channel.timings)
    else:
        unique = {each.emag_id: each for each in returns}
        work.copy = Copy(began, returns=tuple(unique.values()), whole=whole)


def _read_return(channel: Channel, raw: Raw) -> Return:
    found = read_return(raw, channel.account.zone)
    if not 0 < found.emag_id <= HIGHEST:
        raise WireError("return", None, "emag_id", "a number that no return can have")
    return found


def _number(value: object) -> int:
    """An id as eMAG writes it, number or text; -1 for anything else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else -1


_PAGED = {
    Kind.RMA: _page_returns,
    Kind.CANCELLATION: _page_orders,
    Kind.INVOICE: _page_orders,
}
_SINGLY = {Kind.RMA: _read_returns, Kind.CANCELLATION: _read_order, Kind.INVOICE: _read_order}
