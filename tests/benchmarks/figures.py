"""A measured figure beside what is required of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: the figure in words.
        measured, limit: in `unit`; `measured` may be as large, or with `at_least` as small.
        faults: what makes the figure worthless however good it looks, such as a 429.
        details: how it came about, for the JSON.
    """

    what: str
    measured: float
    limit: float
    unit: str = ""
    at_least: bool = False
    faults: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it is as good as required."""
        within = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        return within and not self.faults

    @property
    def required(self) -> str:
        """What is required, in words."""
        return f"{'at least' if self.at_least else 'at most'} {_number(self.limit)} {self.unit}"

    @property
    def verdict(self) -> str:
        """ "ok", "short", or what is wrong."""
        return "; ".join(self.faults) or ("ok" if self.ok else "short")

    def to_json(self) -> dict[str, Any]:
        """The figure as it stands in the JSON file."""
        return {
            "figure": self.what,
            "required": self.required.strip(),
            "measured": self.measured,
            "unit": self.unit,
            "ok": self.ok,
            "faults": list(self.faults),
            "details": dict(self.details),
        }


def table(figures: Sequence[Figure]) -> Table:
    """All figures for a person's eyes."""
    made = Table(header_style="bold", title="How good", title_justify="left", title_style="bold")
    made.add_column("figure", overflow="fold")
    made.add_column("required", justify="right")
    made.add_column("measured", justify="right")
    made.add_column("")
    for figure in figures:
        made.add_row(
            figure.what,
            figure.required,
            f"{_number(figure.measured)} {figure.unit}",
            figure.verdict,
            style=None if figure.ok else "red",
        )
    return made


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
