"""How commands begin and speak: settings and logs first, tables on standard output."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from integrations.logs import configure
from integrations.settings import Settings, load_settings

WIDTH_OF_A_FILE = 140

# Texts as short as this are never wrapped; a column of longer ones can be read if it is so wide.
SHORT = 20
READABLE = 18

# A longer word, such as an address, is broken.
LONGEST_WORD = 28

# What a column takes beside its text.
BORDER = 3

STYLES = {
    "synced": "green",
    "pending": "cyan",
    "waiting": "yellow",
    "refused": "red",
    "in_doubt": "magenta",
    "withdrawn": "dim",
    "ok": "green",
    "WRONG": "red",
}


def begin(log_to_file: bool = True) -> Settings:
    """Read the settings with logging in place; commands that only look leave no file behind."""
    configure()
    settings = load_settings()
    if log_to_file:
        configure(log_file=settings.log_file)
    return settings


def console() -> Console:
    """Standard output; into a file or pipe it is wide enough that tables stay tables."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=WIDTH_OF_A_FILE)


@dataclass(frozen=True)
class Sheet:
    """Rows under a title: side by side where the screen is wide enough, else one above the other.

    Numbers stand right; texts are wrapped between words, and nothing is ever cut.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Text]]
    numbers: Sequence[bool]

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.title, style="bold")
        needed = sum(self._needs(place) + BORDER for place in range(len(self.columns))) + 1
        yield self._side_by_side() if needed <= options.max_width else self._one_by_one()

    def _needs(self, place: int) -> int:
        longest = self._longest(place, "\n")
        if longest <= SHORT:
            return longest
        return max(READABLE, min(self._longest(place), LONGEST_WORD))

    def _longest(self, place: int, separator: str | None = None) -> int:
        """The length of the column's longest line or, without a separator, word."""
        texts = [self.columns[place], *(row[place].plain for row in self.rows)]
        return max((len(part) for text in texts for part in text.split(separator)), default=0)

    def _side_by_side(self) -> Table:
        made = Table(header_style="bold")
        for place, column in enumerate(self.columns):
            made.add_column(
                column,
                justify="right" if self.numbers[place] else "left",
                overflow="fold",
                no_wrap=self._longest(place, "\n") <= SHORT,
            )
        for row in self.rows:
            made.add_row(*row)
        return made

    def _one_by_one(self) -> Table:
        made = Table(show_header=False, box=box.SQUARE)
        made.add_column(style="bold", overflow="fold")
        made.add_column(overflow="fold", ratio=1)
        for row in self.rows:
            for column, cell in zip(self.columns, row, strict=True):
                if cell.plain:
                    made.add_row(column, cell)
            made.add_section()
        return made


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Sheet:
    """Rows to be printed under a title; a column of numbers alone stands right."""
    body = [list(row) for row in rows]
    numbers = [
        bool(body) and all(isinstance(row[place], int | float) for row in body)
        for place in range(len(columns))
    ]
    return Sheet(title, columns, [[_cell(value) for value in row] for row in body], numbers)


def print_json(value: object) -> None:
    """One JSON document on standard output; times in ISO 8601 with their zone."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _cell(value: object) -> Text:
    if isinstance(value, datetime):
        return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S}")
    text = "" if value is None else str(value)
    return Text(text, style=STYLES.get(text, ""))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value.isoformat() if isinstance(value, datetime) else str(value)
