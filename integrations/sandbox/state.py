"""The marketplace's whole state."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.clock import local_text, moment_of, utc_now
from integrations.sandbox.documents import Document, DocumentKind, document
from integrations.sandbox.faults import Faults
from integrations.sandbox.history import History, Moment
from integrations.sandbox.journal import Journal, RequestRecord
from integrations.sandbox.limits import Limits
from integrations.sandbox.sequences import Sequences
from integrations.sandbox.shelf import Shelf
from integrations.sandbox.switches import Switches
from integrations.sandbox.whole_invoices import complete_invoice
from integrations.sandbox.whole_orders import complete_order, order_times
from integrations.sandbox.whole_returns import complete_return, return_times
from integrations.sandbox.wire import Json

DEFAULT_CREDENTIALS: Mapping[str, str] = {"seller@example.com": "secret"}


@dataclass(frozen=True)
class Download:
    """One attempt of eMAG to fetch an attached document."""

    order_id: int
    name: str
    url: str
    ok: bool
    detail: str
    at: datetime


class State:
    """Orders, returns, invoices and documents in memory, with a journal of all that happens.

    `now` gives aware UTC moments, `monotonic` the seconds by which request limits and faults are
    timed. `seed` decides which requests the faults with a probability strike.
    Nothing here is safe to share between threads; one event loop serves it.
    """

    def __init__(
        self,
        switches: Switches | None = None,
        credentials: Mapping[str, str] = DEFAULT_CREDENTIALS,
        now: Callable[[], datetime] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        seed: int = 1,
    ) -> None:
        self.switches = switches or Switches()
        self.credentials = dict(credentials)
        self.now = now or utc_now
        self.monotonic = monotonic
        self.sequences = Sequences()
        self.journal = Journal()
        self.faults = Faults(seed, self._moment)
        self.orders = Shelf(
            "id", "status", self._whole_order, self._history, times=("created", "modified")
        )
        self.returns = Shelf(
            "emag_id", "request_status", self._whole_return, self._history, times=("date",)
        )
        self.returns_of: defaultdict[int, list[int]] = defaultdict(list)
        self.invoices: list[Json] = []
        self.customer_invoices: list[Json] = []
        self.documents: dict[str, Document] = {}
        self.awaiting_download: list[tuple[int, str, str]] = []
        self.downloads: list[Download] = []
        self.reads: Counter[str] = Counter()
        self.limits = Limits()

    def reset(self) -> None:
        """Back to an empty marketplace; switches and credentials stay."""
        self.sequences = Sequences()
        self.orders.clear()
        self.returns.clear()
        self.returns_of.clear()
        for shelf in (
            self.invoices,
            self.customer_invoices,
            self.awaiting_download,
            self.downloads,
        ):
            shelf.clear()
        self.documents.clear()
        self.reads.clear()
        self.journal.clear()
        self.limits.clear()
        self.faults.clear()

    # Populating

    def add_order(self, order: Mapping[str, Any]) -> Json:
        """Add an order; what is missing gets a realistic default. ValueError when the id is taken.

        Times may be aware datetimes or local texts. Returns the complete order.
        """
        number = self._shelve_order(order)
        return self._there(self.orders.get(number))

    def add_orders(self, orders: Iterable[Mapping[str, Any]]) -> None:
        """Add many orders; each is completed when it is first looked at."""
        for order in orders:
            self._shelve_order(order)

    def add_return(self, rma: Mapping[str, Any]) -> Json:
        """Add a return; without `order_id`, one of a newly added finalized order.

        Returns the complete return. ValueError when the id is taken.
        """
        number = self._shelve_return(rma)
        return self._there(self.returns.get(number))

    def add_returns(self, returns: Iterable[Mapping[str, Any]]) -> None:
        """Add many returns; each is completed when it is first looked at."""
        for rma in returns:
            self._shelve_return(rma)

    def add_issued_invoice(self, invoice: Mapping[str, Any]) -> Json:
        """Add an invoice that eMAG issued; categories `normal` and `storno` are to customers."""
        platform = self.switches.platform
        whole = complete_invoice(invoice, self.sequences, self.now(), platform)
        to_customer = whole["category"] in ("normal", "storno")
        (self.customer_invoices if to_customer else self.invoices).append(whole)
        return whole

    def add_document(self, name: str, content: bytes = b"", kind: DocumentKind = "pdf") -> str:
        """Serve a document; without content a small PDF is made. Returns its path on the host."""
        name = name.removesuffix(".pdf")
        self.documents[name] = document(name, content, kind)
        return f"/sandbox/documents/{name}.pdf"

    # Small steps that several acts and the routes share

    def local_now(self) -> str:
        """The present as a local text of the platform."""
        return local_text(self.now(), self.switches.platform.zone)

    def touch(self, order: Json) -> None:
        """An order has changed: its `modified` is now (it goes back only by switch)."""
        was, zone = order["modified"], self.switches.platform.zone
        if self.switches.modified_goes_back:
            order["modified"] = local_text(moment_of(was, zone) - timedelta(hours=1), zone)
        elif not self.switches.modified_stands_still:
            order["modified"] = max(was, self.local_now())

    def attach(self, order: Json, attachment: Json, request: RequestRecord | None = None) -> None:
        """Put a document on an order; eMAG will download it later."""
        order["attachments"].append(attachment)
        self.touch(order)
        self.await_download(attachment)
        self.journal.effect(
            "attachment",
            order["id"],
            None,
            {key: attachment[key] for key in ("type", "name", "url")},
            at=self.now(),
            request=request,
            by="seller" if request else "emag",
        )

    def await_download(self, attachment: Json) -> None:
        """eMAG means to fetch a document's address."""
        entry = (attachment["order_id"], attachment["name"], attachment["url"])
        self.awaiting_download.append(entry)

    def the_order(self, order_id: int) -> Json:
        order = self.orders.get(order_id)
        if order is None:
            raise ValueError(f"there is no order {order_id}")
        return order

    def the_return(self, emag_id: int) -> Json:
        rma = self.returns.get(emag_id)
        if rma is None:
            raise ValueError(f"there is no return {emag_id}")
        return rma

    def _shelve_order(self, given: Mapping[str, Any]) -> int:
        number: int = given.get("id") or self._free(self.sequences.order, self.orders)
        # what filters ask for is there from the start
        usual = {"status": 1, "type": 3, "payment_mode_id": 1, "is_complete": 1}
        order = {**usual, **given, "id": number}
        order |= order_times(order, self.now(), self.switches.platform)
        self.orders.put(order, complete=False)
        return number

    def _shelve_return(self, given: Mapping[str, Any]) -> int:
        number: int = given.get("emag_id") or self._free(self.sequences.rma, self.returns)
        if number in self.returns:
            raise ValueError(f"emag_id {number} is there already")
        order_id = given.get("order_id") or self._shelve_order({"status": 4})
        rma = {**given, "emag_id": number, "order_id": str(order_id)}
        rma["request_status"] = given.get("request_status", 2)
        rma["type"] = given.get("type", 3)
        rma |= return_times(rma, self.now(), self.switches.platform)
        self.returns.put(rma, complete=False)
        self.returns_of[int(order_id)].append(number)
        return number

    def _moment(self) -> Moment:
        return Moment(self.monotonic(), self.journal.changes)

    def _history(self) -> History | None:
        return self.faults.history

    @staticmethod
    def _free(sequence: Callable[[], int], shelf: Shelf) -> int:
        number = sequence()
        while number in shelf:
            number = sequence()
        return number

    def _whole_order(self, given: Json) -> Json:
        return complete_order(given, self.sequences, self.now(), self.switches.platform)

    def _whole_return(self, given: Json) -> Json:
        order = self.orders.get(int(given["order_id"]))
        platform = self.switches.platform
        return complete_return(given, order, self.sequences, self.now(), platform)

    @staticmethod
    def _there(record: Json | None) -> Json:
        assert record is not None
        return record
