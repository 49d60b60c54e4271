"""`emag-flows doctor`: first contact with a real shop, step by step, by reading alone."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flows.cli.console import begin, console, print_json, table

WRONG = 1
UNREACHABLE = 3

TITLES = {"database": "Database", "configuration": "Configuration"}


def doctor(
    account: Annotated[str, typer.Option(help="One account by name, or all.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> int:
    """Look at all that a first run needs, and say what to do; changes nothing in ERP or eMAG."""
    from flows.doctor import examine

    settings = begin()
    settings.chosen(account)
    examination = asyncio.run(examine(account))
    found = examination.findings
    if as_json:
        print_json(found)
    else:
        screen = console()
        for name, findings in found.items():
            rows = [
                ("ok" if each.ok else "WRONG", each.name, each.detail, each.remedy)
                for each in findings
            ]
            title = TITLES.get(name) or f"Account {name}"
            screen.print(table(title, ["", "what", "found", "what to do"], rows))
    if examination.unreachable:
        return UNREACHABLE
    return 0 if all(each.ok for findings in found.values() for each in findings) else WRONG
