"""Pages kept small while they wait: a page of eMAG's takes ten times as much as Python objects."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import orjson

from integrations.emag.wire import Raw
from integrations.ledger.instants import Instant
from integrations.sync.page import Page


@dataclass(frozen=True, slots=True)
class PackedPage:
    """A page as compressed JSON, and when its read began."""

    began: Instant
    rows: bytes

    @classmethod
    def of(cls, page: Page) -> Self:
        """The page, packed."""
        return cls(page.began, _pack(page.rows))

    def page(self) -> Page:
        """The page as it was."""
        return Page(self.began, _unpack(self.rows))


def _pack(rows: Sequence[Raw]) -> bytes:
    return zlib.compress(_json(rows), 1)


def _json(rows: Sequence[Raw]) -> bytes:
    """Rows as JSON; orjson, which takes a tenth of the time, knows no lone surrogates."""
    try:
        return orjson.dumps(rows)
    except TypeError:
        return json.dumps(rows, separators=(",", ":")).encode()


def _unpack(packed: bytes) -> list[Raw]:
    rows: list[Raw] = json.loads(zlib.decompress(packed))
    return rows
