"""What can be set for one run of a sync."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Direction(StrEnum):
    """Which way changes are carried."""

    IN = "in"
    OUT = "out"
    BOTH = "both"

    @property
    def goes_out(self) -> bool:
        """Whether the ERP's decisions are carried to eMAG."""
        return self is not Direction.IN

    @property
    def comes_in(self) -> bool:
        """Whether eMAG's news is brought into the ERP."""
        return self is not Direction.OUT


class SyncParameters(BaseModel):
    """The form of a sync run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(
        default="all",
        max_length=10,
        description="Name of one account, as in the ERP's account_type; all: every account.",
        json_schema_extra={"position": 0},
    )
    direction: Direction = Field(
        default=Direction.BOTH,
        description="out carries the ERP's decisions to eMAG, in brings eMAG's news into the ERP.",
        json_schema_extra={"position": 1},
    )
    limit: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="At most this many ERP rows are claimed per account; a dry run lists no more"
        " either way.",
        json_schema_extra={"position": 2},
    )
    max_in_flight: int = Field(
        default=8,
        ge=1,
        le=16,
        description="At most this many requests to eMAG are under way at once.",
        json_schema_extra={"position": 3},
    )
    dry_run: bool = Field(
        default=False,
        description="Only show what would be done: nothing is sent and nothing is written.",
        json_schema_extra={"position": 4},
    )

    @property
    def label(self) -> str:
        """The run in a few words: account, direction, and whether it is dry."""
        return f"{self.account}-{self.direction.value}{'-dry-run' if self.dry_run else ''}"


class CancellationParameters(SyncParameters):
    """The form of a run of cancellations."""

    unasked: bool = Field(
        default=False,
        description="Cancel however many are due; else more than EMAG_CANCELLATIONS_PAUSE_ABOVE"
        " at once, or in an hour, wait for a person's word.",
        json_schema_extra={"position": 5},
    )


class HealthParameters(BaseModel):
    """The form of a health check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(
        default="all",
        max_length=10,
        description="Name of one account, as in the ERP's account_type; all: every account.",
        json_schema_extra={"position": 0},
    )
    pending_minutes: int = Field(
        default=60,
        ge=1,
        le=10_080,
        description="A row pending for longer than this many minutes is a fault, as is a change of"
        " the ERP's that is not queued by then.",
        json_schema_extra={"position": 1},
    )
    doubt_minutes: int = Field(
        default=30,
        ge=1,
        le=10_080,
        description="A row in doubt for longer than this many minutes is a fault.",
        json_schema_extra={"position": 2},
    )
    refused_days: int = Field(
        default=7,
        ge=1,
        le=365,
        description="A refused row that nobody looked after for this many days is a fault.",
        json_schema_extra={"position": 3},
    )


class RetentionParameters(BaseModel):
    """The form of the call record's daily care."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: int = Field(
        default=30,
        ge=30,
        le=3650,
        description="Calls, settled alarms and idempotency keys are kept for this many days; eMAG"
        " asks for 30.",
        json_schema_extra={"position": 0},
    )
    dry_run: bool = Field(
        default=False,
        description="Only show which days would be dropped: nothing is dropped and none is made.",
        json_schema_extra={"position": 1},
    )

    @property
    def label(self) -> str:
        """The run in a few words: how long calls are kept, and whether it is dry."""
        return f"{self.days}-days{'-dry-run' if self.dry_run else ''}"


# eMAG's marketplace is not older.
EARLIEST = date(2011, 1, 1)

# What a form's server refuses by itself knows no dates: this is what one looks like from 2011 on.
DAY = r"^20(1[1-9]|[2-9]\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(T.*)?$"


def _latest() -> date:
    """The last day that has begun somewhere: a platform may be a day ahead of UTC."""
    return datetime.now(UTC).date() + timedelta(days=1)


def _check_span(since: date, until: date) -> None:
    """Raises ValueError, with the remedy, for days that are in the wrong order or still to come."""
    if since > until:
        raise ValueError(f"since, {since}, is after until, {until}: swap them")
    if until > _latest():
        raise ValueError(f"until, {until}, is not over yet: end at today at the latest")


class BackfillParameters(BaseModel):
    """The form of a backfill."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: date = Field(
        ge=EARLIEST,
        description="The first day of the history that is read, in the platform's local time.",
        json_schema_extra={"position": 0, "pattern": DAY},
    )
    until: date = Field(
        ge=EARLIEST,
        description="Its last day; not later than today.",
        json_schema_extra={"position": 1, "pattern": DAY},
    )
    account: str = Field(
        default="all",
        max_length=10,
        description="Name of one account, as in the ERP's account_type; all: every account.",
        json_schema_extra={"position": 2},
    )
    max_in_flight: int = Field(
        default=12,
        ge=2,
        le=16,
        description="At most this many requests to eMAG are under way at once.",
        json_schema_extra={"position": 3},
    )

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        _check_span(self.since, self.until)
        return self

    @property
    def label(self) -> str:
        """The run in a few words: account and days."""
        return f"{self.account}-{self.since}-{self.until}"


# More days than anybody reconciles at once.
MOST_DAYS = 400


class ReconcileParameters(BaseModel):
    """The form of a reconciliation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(
        default="all",
        max_length=10,
        description="Name of one account, as in the ERP's account_type; all: every account.",
        json_schema_extra={"position": 0},
    )
    since: date | None = Field(
        default=None,
        ge=EARLIEST,
        description="The first local day of placement; nothing: 27 days before the last.",
        json_schema_extra={"position": 1, "pattern": DAY},
    )
    until: date | None = Field(
        default=None,
        ge=EARLIEST,
        description="The last local day of placement; nothing: today.",
        json_schema_extra={"position": 2, "pattern": DAY},
    )
    recount_minutes: float = Field(
        default=5,
        ge=0,
        le=120,
        description="What differs is believed when it differs again after so many minutes.",
        json_schema_extra={"position": 3},
    )
    wait: bool = Field(
        default=True,
        description="Wait for the second look; otherwise the next run takes it.",
        json_schema_extra={"position": 4},
    )

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.since and not self.until and self.since > _latest():
            raise ValueError(f"since, {self.since}, is still to come: begin at today at the latest")
        if self.until:
            _check_span(self.since or self.until, self.until)
        last = self.until or datetime.now(UTC).date()
        if self.since and (last - self.since).days >= MOST_DAYS:
            raise ValueError(
                f"since, {self.since}, to {self.until or 'today'} are more than {MOST_DAYS} days:"
                " reconcile a year at a time"
            )
        return self

    @property
    def label(self) -> str:
        """The run in a few words: account and days."""
        return f"{self.account}-{self.since or 'four-weeks'}-{self.until or 'today'}"
