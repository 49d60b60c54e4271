"""`emag-flows deploy`: work pool, deployments and automations on an existing Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import begin, console, print_json, table
from integrations.settings import ConfigurationError

if TYPE_CHECKING:
    from flows.deploy import Done


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
    _complain(done)
    return 0


def _complain(done: Sequence[Done]) -> None:
    """All the rest is there by now; what is missing is for a person to make."""
    from flows.deploy import Outcome

    for each in done:
        if each.outcome is Outcome.MISSING:
            problem = f"the Prefect server has no block {each.name}"
            raise ConfigurationError("EMAG_NOTIFY_BLOCK", problem, each.detail)
