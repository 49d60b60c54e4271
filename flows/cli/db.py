"""`emag-flows db`: set up the database, and check it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flows.cli.console import begin, console, print_json, table
from integrations.settings import Settings

db = typer.Typer(add_completion=False, help="Set up and check the database.")


@db.command()
def upgrade(
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL for the owner to run; change nothing.")
    ] = False,
) -> int:
    """Make what is missing; an ERP's own tables lose nothing and are not rewritten."""
    from migrations.run import upgrade, upgrade_sql

    settings = begin(log_to_file=not sql)
    if sql:
        print(upgrade_sql(settings.database_url))
        return 0
    if settings.database_url is not None:
        upgrade(settings.database_url)
    else:
        from integrations.embedded import embedded

        with embedded(settings.data_dir) as url:
            upgrade(url)
    place = (
        "DATABASE_URL"
        if settings.database_url
        else f"the embedded PostgreSQL in {settings.data_dir}"
    )
    console().print(f"{place} is set up for this version")
    return 0


@db.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> int:
    """Look for what would keep changes from being captured or carried."""
    return asyncio.run(_check(begin(log_to_file=False), as_json))


async def _check(settings: Settings, as_json: bool) -> int:
    from flows.database import open_database
    from integrations.ledger.check import check_database

    async with open_database(settings) as engine:
        findings = await check_database(engine)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        rows = [
            ("ok" if each.ok else "WRONG", each.name, each.detail, "" if each.ok else each.remedy)
            for each in findings
        ]
        console().print(table("Database", ["", "what", "found", "remedy"], rows))
    return 0 if all(finding.ok for finding in findings) else 1
