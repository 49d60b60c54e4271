"""How commands begin and speak: settings and logs first, tables on standard output."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from integrations.logs import configure
from integrations.settings import Settings, load_settings

WIDTH_OF_A_FILE = 140

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
    """Standard output; into a file or pipe it is wide enough that no reason is cut to pieces."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=WIDTH_OF_A_FILE)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose numbers stand right and whose texts are wrapped, never cut."""
    body = [list(row) for row in rows]
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for place, column in enumerate(columns):
        numbers = bool(body) and all(isinstance(row[place], int | float) for row in body)
        made.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in body:
        made.add_row(*(_cell(value) for value in row))
    return made


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
