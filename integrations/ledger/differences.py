"""What eMAG, its mirror and the ERP disagree about, and how often that was seen.

Counts move while one counts, and an answer is a moment old when it is compared: one look proves
nothing. A difference is believed when a later look finds the very same one again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from integrations.ledger.database import autocommit, storable
from integrations.ledger.engine import Engine

BELIEVED = 2

# A difference of a window that nobody looks at any more.
STALE_DAYS = 90

# Each sight counts once the time of all before it has passed: looking often proves nothing more.
_SEE = """
    INSERT INTO app.emag_differences AS d (platform, account, subject, difference, explained)
    SELECT :platform, :account, s.subject, s.difference, s.explained
      FROM jsonb_to_recordset(CAST(:seen AS jsonb))
           AS s(subject text, difference text, explained text)
    ON CONFLICT (platform, account, subject) DO UPDATE SET
        times = CASE
            WHEN d.difference <> excluded.difference THEN 1
            WHEN d.first_seen_at + d.times * make_interval(secs => :apart) <= clock_timestamp()
            THEN d.times + 1 ELSE d.times END,
        first_seen_at = CASE WHEN d.difference <> excluded.difference THEN clock_timestamp()
                             ELSE d.first_seen_at END,
        difference = excluded.difference, explained = excluded.explained,
        last_seen_at = clock_timestamp()
    RETURNING subject, times, first_seen_at
"""

_FORGET = """
    DELETE FROM app.emag_differences
     WHERE platform = :platform AND account = :account
       AND (last_seen_at < CAST(:began AS timestamptz)
            AND (left(subject, 10) BETWEEN :since AND :until
                 OR subject = ANY(CAST(:subjects AS text[])))
            OR last_seen_at < clock_timestamp() - make_interval(days => :stale))
"""


class About(StrEnum):
    """What a difference is about."""

    ORDER = "order"
    RETURN = "return"
    LISTING = "listing"


class Why(StrEnum):
    """What explains a difference, from our books."""

    UNSENT = "the ERP decided otherwise, and eMAG does not know yet"
    REFUSED = "eMAG does not take what the ERP decided: see the inbox"
    WITHDRAWN = "the ERP took its decision back"
    PARKED = "the news could not be stored"
    DELETED = "the ERP has deleted its row"
    BEFORE = "the ERP's row is from before the installation and was never adopted"
    OWED = "not brought into the ERP yet: the next runs do"
    ELSEWHERE = "the ERP holds money that eMAG does not show: it went another way, or never went"
    DATED = "eMAG counts some rows under other days than they show; each was read and agrees"


@dataclass(frozen=True)
class Difference:
    """Something about which two of the three disagree; names no customer.

    Attributes:
        number: eMAG's number of the order or return; of a listing, eMAG's type.
        day: the local day at which it was placed.
        text: what either side says.
        in_erp: whether it is the ERP that differs from the mirror, not the mirror from eMAG.
        money: whether it is about money; a row can differ in this and in its status.
        why: what explains it; None where nothing does.
        detail: the explanation's particulars.
    """

    about: About
    number: int
    day: date
    text: str
    why: Why | None = None
    detail: str = ""
    in_erp: bool = False
    money: bool = False

    @property
    def subject(self) -> str:
        """What it is called in the books, its day first."""
        where = " in the ERP" if self.in_erp else ""
        money = ", its money" if self.money else ""
        return f"{self.day.isoformat()} {self.about.value} {self.number}{where}{money}"

    @property
    def explained(self) -> str | None:
        """The whole explanation."""
        if self.why is None:
            return None
        return f"{self.why.value}: {self.detail}" if self.detail else self.why.value


@dataclass(frozen=True)
class Sight:
    """How often a difference was seen, and when first."""

    times: int
    first_seen_at: datetime

    @property
    def believed(self) -> bool:
        return self.times >= BELIEVED


async def see(
    engine: Engine,
    platform: str,
    account: str,
    differences: Iterable[Difference],
    apart: float,
) -> Mapping[str, Sight]:
    """Note differences as seen now; by subject, how often each was seen.

    A sight less than `apart` seconds after the one before does not count.
    """
    seen = {
        each.subject: {
            "subject": each.subject,
            "difference": storable(each.text),
            "explained": storable(each.explained) if each.explained else None,
        }
        for each in differences
    }
    if not seen:
        return {}
    noted = {
        "platform": platform,
        "account": account,
        "seen": json.dumps([seen[subject] for subject in sorted(seen)], ensure_ascii=False),
        "apart": apart,
    }
    async with autocommit(engine) as connection:
        rows = await connection.execute(_SEE, noted)
        return {row.subject: Sight(row.times, row.first_seen_at) for row in rows}


async def forget_unseen(
    engine: Engine,
    platform: str,
    account: str,
    since: date,
    until: date,
    began: datetime,
    subjects: Iterable[str] = (),
) -> None:
    """Forget differences that nobody has seen since `began` (database time).

    Those of the window, and these `subjects`, which were compared although they lie outside of it.
    """
    window = {
        "platform": platform,
        "account": account,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "began": began,
        "subjects": sorted(subjects),
        "stale": STALE_DAYS,
    }
    async with autocommit(engine) as connection:
        await connection.execute(_FORGET, window)
