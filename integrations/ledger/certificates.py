"""Certificates: what a reconciliation compared, and what became of every difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import orjson

from integrations.ledger.database import autocommit
from integrations.ledger.differences import Difference, Sight, Why
from integrations.ledger.engine import Engine

# More than anybody reads at once; all are counted.
MOST_SHOWN = 200

_STORE = """
    INSERT INTO app.emag_certificates (platform, account, since, until, compared, differences,
           unexplained, document)
    VALUES (:platform, :account, :since, :until, :compared, :differences, :unexplained,
            CAST(:document AS jsonb))
    RETURNING id, made_at
"""

_NEWEST = """
    SELECT id, made_at, since, until, compared, differences, unexplained, document
      FROM app.emag_certificates
     WHERE platform = :platform AND account = :account
     ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True)
class Numbers:
    """Rows by status of some days of a listing: eMAG's and the mirror's."""

    days: int
    emag: Counter[int]
    mirror: Counter[int]


@dataclass
class Listed:
    """Differences, all counted and some kept."""

    rows: int = 0
    shown: list[Difference] = field(default_factory=list)

    def add(self, difference: Difference) -> None:
        """Count one more."""
        self.rows += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(difference)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"rows": self.rows, "shown": [_one(each) for each in self.shown]}


@dataclass
class Certificate:
    """What was compared for an account over local days, both included.

    Attributes:
        numbers: eMAG's and the mirror's numbers of rows, by listing ("orders, own") and the
            days that were compared together.
        rows: mirrored rows whose state was compared with the ERP's, by what they are.
        by_value: eMAG's rows that were read and compared with the ERP's with their money: their
            numbers, by what they are.
        read: days of which every row was read, by listing; the others were counted.
        left: rows with money open in the ERP that are left to the next runs, by what they are.
        unlooked: mirrored rows that eMAG's pages did not show and nobody has looked up yet, by what
            they are. They are among the unexplained.
        repaired: what was put right by the normal way, by what was wrong.
        explained: differences that our books explain.
        unexplained: differences that nothing explains and that were seen again.
        unsure: the same, seen only once so far: the next run decides.
        incomplete: what could not be compared, and why.
    """

    platform: str
    account: str
    since: date
    until: date
    numbers: dict[str, dict[str, Numbers]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    by_value: dict[str, set[int]] = field(default_factory=dict)
    read: dict[str, set[date]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    unlooked: Counter[str] = field(default_factory=Counter)
    repaired: Listed = field(default_factory=Listed)
    explained: dict[Why, Listed] = field(default_factory=dict)
    unexplained: Listed = field(default_factory=Listed)
    unsure: Listed = field(default_factory=Listed)
    incomplete: list[str] = field(default_factory=list)
    requests: Mapping[str, int] = field(default_factory=dict)
    id: int | None = None
    made_at: datetime | None = None

    @property
    def clean(self) -> bool:
        """Whether everything was compared and nothing is unexplained."""
        return not self.unexplained.rows and not self.incomplete

    @property
    def days_read(self) -> int:
        """Days of which every row was read, over all listings."""
        return sum(len(days) for days in self.read.values())

    @property
    def cells(self) -> int:
        """The numbers that stand behind the sums: one for each listing, status and day."""
        return sum(
            each.days * len(each.emag.keys() | each.mirror.keys())
            for parts in self.numbers.values()
            for each in parts.values()
        )

    @property
    def compared(self) -> int:
        """Everything that was compared: eMAG's numbers with the mirror's, rows with the ERP's."""
        by_value = sum(len(numbers) for numbers in self.by_value.values())
        return self.cells + sum(self.rows.values()) + by_value

    def coverage(self) -> list[dict[str, Any]]:
        """How many days of each listing were compared by value, and how many by count alone."""
        return [
            {
                "listing": name,
                "days_by_value": len(read := self.read.get(name, set())),
                "days_by_count": max(0, sum(each.days for each in parts.values()) - len(read)),
            }
            for name, parts in self.numbers.items()
        ]

    def compared_how(self) -> list[str]:
        """The same in words, with the rows whose money was compared."""
        lines = [
            f"{each['listing']}: {each['days_by_value']} days by value (every row read, with its"
            f" money), {each['days_by_count']} by count alone"
            for each in self.coverage()
        ]
        for what in sorted({*self.by_value, *self.left}):
            rows, left = len(self.by_value.get(what, ())), self.left[what]
            lines.append(
                f"{what} compared by value: {rows}; with money open in the ERP and left to the next"
                f" runs: {left}"
            )
        lines += [
            f"{what} that eMAG did not list and nobody has looked up yet: {rows}; the next run does"
            for what, rows in sorted(self.unlooked.items())
        ]
        return lines

    def sums(self) -> list[dict[str, Any]]:
        """eMAG's and the mirror's numbers of the whole window, by listing and status."""
        return [
            {
                "listing": name,
                "status": status,
                "emag": sum(each.emag[status] for each in parts.values()),
                "mirror": sum(each.mirror[status] for each in parts.values()),
            }
            for name, parts in self.numbers.items()
            for status in sorted({s for each in parts.values() for s in each.emag | each.mirror})
        ]

    @property
    def differences(self) -> int:
        """Everything that differed, put right or not."""
        kinds = (self.repaired, self.unexplained, self.unsure, *self.explained.values())
        return sum(each.rows for each in kinds)

    def enter(self, difference: Difference, sight: Sight) -> None:
        """Enter a difference that is still there at the end, where it belongs."""
        if difference.why is not None:
            self.explained.setdefault(difference.why, Listed()).add(difference)
        elif sight.believed:
            self.unexplained.add(difference)
        else:
            self.unsure.add(difference)

    def document(self) -> dict[str, Any]:
        """The certificate as JSON."""
        return {
            "certificate": self.id,
            "made_at": self.made_at.isoformat() if self.made_at else None,
            "platform": self.platform,
            "account": self.account,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "clean": self.clean,
            "compared": {
                "all": self.compared,
                "days": (self.until - self.since).days + 1,
                "cells": self.cells,
                "rows": dict(self.rows),
                "rows_by_value": {what: len(each) for what, each in self.by_value.items()},
                "days_read": self.days_read,
                "coverage": self.coverage(),
                "left": dict(self.left),
                "numbers": self.sums(),
            },
            "differences": self.differences,
            "repaired": self.repaired.document(),
            "explained": [
                {"why": why.value, **listed.document()} for why, listed in self.explained.items()
            ],
            "unexplained": self.unexplained.document(),
            "unlooked": dict(self.unlooked),
            "unsure": self.unsure.document(),
            "incomplete": self.incomplete,
            "requests": dict(self.requests),
        }


def _one(difference: Difference) -> dict[str, Any]:
    shown: dict[str, Any] = {"subject": difference.subject, "difference": difference.text}
    return {**shown, "detail": difference.detail} if difference.detail else shown


async def store(engine: Engine, certificate: Certificate) -> None:
    """Write a certificate down; it gets its number and its time."""
    stored = {
        "platform": certificate.platform,
        "account": certificate.account,
        "since": certificate.since,
        "until": certificate.until,
        "compared": certificate.compared,
        "differences": certificate.differences,
        "unexplained": certificate.unexplained.rows,
        "document": orjson.dumps(certificate.document()).decode(),
    }
    async with autocommit(engine) as connection:
        row = (await connection.execute(_STORE, stored)).one()
    certificate.id, certificate.made_at = row.id, row.made_at


async def newest(engine: Engine, platform: str, account: str) -> dict[str, Any] | None:
    """The account's last certificate as it was stored; None before the first."""
    async with autocommit(engine) as connection:
        found = await connection.execute(_NEWEST, {"platform": platform, "account": account})
        row = found.first()
    return row._asdict() if row else None
