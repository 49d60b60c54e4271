"""`emag-flows deploy`: work pool, deployments and automations on an existing Prefect server."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flows.cli.console import begin, console, print_json, table


def deploy(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> int:
    """Bring prefect.yaml and automations.yaml to the Prefect server at PREFECT_API_URL."""
    from flows.deploy import deploy as bring

    settings = begin(log_to_file=False)
    done = asyncio.run(bring(list(settings.accounts), settings.notify_block))
    if as_json:
        print_json([vars(each) for each in done])
    else:
        rows = [(each.what, each.name, each.outcome.value, each.detail) for each in done]
        console().print(table("On the Prefect server", ["what", "name", "", "detail"], rows))
    return 0
