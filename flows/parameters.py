"""What can be set for one run of a sync."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Direction(StrEnum):
    """Which way changes are carried; `both` means as far as there is one."""

    OUT = "out"
    BOTH = "both"


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
        description="out carries the ERP's decisions to eMAG; both adds the way in.",
        json_schema_extra={"position": 1},
    )
    limit: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000,
        description="At most this many ERP rows are claimed per account.",
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
        description="A row pending for longer than this many minutes is a fault.",
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
        description="Calls are kept for this many days; eMAG asks for 30.",
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
