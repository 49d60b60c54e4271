"""What reads share: windows of time, numbers to look for, pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from integrations.sandbox.clock import filter_moment, month_later
from integrations.sandbox.exchange import Answer, Ask
from integrations.sandbox.switches import Switches
from integrations.sandbox.wire import Json, whole

LARGEST_PAGE = 100
LARGEST_INVOICE_PAGE = 1000
LAST_PAGE = 65535


class FilterError(ValueError):
    """A filter that eMAG refuses; `status` is the HTTP status of the refusal."""

    def __init__(self, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.status = status

    def answer(self, ask: Ask) -> Answer:
        """The refusal, journalled."""
        return ask.refuse("filter", str(self), self.status)


@dataclass(frozen=True)
class Page:
    """Which rows of a result: page `number` (from 1) of `size` rows.

    With `again`, the last page stands in for those behind the end.
    """

    number: int
    size: int
    again: bool = False

    def of(self, rows: Sequence[int], shift: int = 0) -> Sequence[int]:
        """The page's rows; `shift` is by how many places all rows have moved meanwhile."""
        if shift and rows:
            shift %= len(rows)
            rows = [*rows[shift:], *rows[:shift]]
        number = (
            min(self.number, max(1, pages(len(rows), self.size))) if self.again else self.number
        )
        start = (number - 1) * self.size
        return rows[start : start + self.size]

    def capped(self, most: int | None) -> Page:
        """The page of the same number, where no page holds more than `most` rows."""
        return self if most is None else replace(self, size=min(self.size, most))


def pages(rows: int, size: int) -> int:
    """How many pages rows fill."""
    return -(-rows // size)


def page_of(filters: Json, switches: Switches, *, largest: int = LARGEST_PAGE) -> Page:
    """The page that is asked for; too large ones are clipped or refused (API facts, limits).

    What is asked for is what a count reckons with; only a read is cut down to `page_cap`.
    """
    number = _within(filters, "currentPage", 1, LAST_PAGE)
    size = whole(filters.get("itemsPerPage", min(largest, LARGEST_PAGE)))
    if size is None or size < 1:
        raise FilterError("ERROR: Invalid itemsPerPage")
    if size > largest:
        if not switches.clip_page_size:
            raise FilterError(f"Reading is limited to maximum {largest} elements", 400)
        size = largest
    return Page(number, size, again=switches.repeat_last_page)


def number_filter(filters: Json, name: str, least: int = 1, most: int = 4294967295) -> int | None:
    """A filter that is one number; a list or an object is ignored like an unknown filter."""
    value = filters.get(name)
    if value is None or isinstance(value, (list, dict)):
        return None
    number = whole(value)
    if number is None or not least <= number <= most:
        raise FilterError(f"ERROR: Invalid {name}")
    return number


def numbers_filter(filters: Json, name: str) -> frozenset[int] | None:
    """A filter that is a number or a list of numbers; an empty list is no filter."""
    value = filters.get(name)
    if value is None or isinstance(value, dict) or value == []:
        return None
    numbers = [whole(each) for each in (value if isinstance(value, list) else [value])]
    if None in numbers:
        raise FilterError(f"ERROR: Invalid {name}")
    return frozenset(number for number in numbers if number is not None)


def window_filter(
    filters: Json, prefix: str, now: datetime, zone: ZoneInfo
) -> tuple[str, str] | None:
    """The local texts between which `created` or `modified` must lie, both included.

    `...Before` needs `...After`, and they may be one month apart at most (API facts, Filters). The
    present stands in for a missing `...Before`.
    """
    after, before = filters.get(f"{prefix}After"), filters.get(f"{prefix}Before")
    if after is None:
        if before is not None:
            raise FilterError(f"ERROR: {prefix}Before needs {prefix}After")
        return None
    start = _moment(f"{prefix}After", after)
    local_now = now.astimezone(zone).replace(tzinfo=None)
    end = local_now if before is None else _moment(f"{prefix}Before", before)
    if end > month_later(start):
        raise FilterError(f"ERROR: {prefix}After and {prefix}Before are more than 1 month apart")
    return str(start), str(end.replace(microsecond=0))


def refused_null(ask: Ask) -> Answer | None:
    """The refusal of null filters, where they are switched to be refused."""
    if ask.market.switches.null_filters == "ignored" or not isinstance(ask.body, dict):
        return None
    nulls = [name for name, value in ask.body.items() if value is None]
    return ask.refuse("filter", f"ERROR: Invalid {nulls[0]}") if nulls else None


def counted(rows: int, page: Page, *, as_text: bool) -> Json:
    """The results of a count; eMAG writes the numbers as texts (API facts, Filters)."""
    numbers = {
        "noOfItems": rows,
        "noOfPages": pages(rows, page.size),
        "itemsPerPage": page.size,
    }
    return {name: str(number) if as_text else number for name, number in numbers.items()}


def _within(filters: Json, name: str, least: int, most: int) -> int:
    number = whole(filters.get(name, least))
    if number is None or not least <= number <= most:
        raise FilterError(f"ERROR: Invalid {name}")
    return number


def _moment(name: str, value: object) -> datetime:
    moment = filter_moment(value)
    if moment is None:
        raise FilterError(f"ERROR: Invalid {name}")
    return moment
