"""`emag-flows run health`: everything that the syncs stand on, looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import flows
from flows.cli.as_flow import as_flow
from flows.cli.console import console, print_json, table
from flows.parameters import HealthParameters

if TYPE_CHECKING:
    from integrations.ledger.findings import Finding

WRONG = 1
UNREACHABLE = 3
ASKING_EMAG = "eMAG answers"


async def check(parameters: HealthParameters, as_json: bool, through_prefect: bool) -> int:
    """Run the check, as a flow or directly, and show what was found: 0 well, 1 wrong, 3 no eMAG."""
    directly = partial(_directly, parameters)
    if through_prefect:
        findings = await as_flow(partial(_as_flow, parameters), directly)
    else:
        findings = await directly()
    if as_json:
        print_json(findings)
    else:
        rows = [
            ("ok" if each.ok else "WRONG", each.name, each.detail, "" if each.ok else each.remedy)
            for each in findings
        ]
        console().print(table("Health", ["", "what", "found", "remedy"], rows))
    wrong = [finding.name for finding in findings if not finding.ok]
    if any(name.startswith(ASKING_EMAG) for name in wrong):
        return UNREACHABLE
    return WRONG if wrong else 0


async def _directly(parameters: HealthParameters) -> Sequence[Finding]:
    from flows.health import check_health
    from flows.tidings import gather_tidings

    await gather_tidings(parameters.account, heard=False)
    return await check_health(parameters)


async def _as_flow(parameters: HealthParameters) -> Sequence[Finding]:
    """The flow run fails where something is wrong; that is no failure of this command."""
    from flows.deployed import UnhealthyError

    try:
        return await flows.health_check(**parameters.model_dump())
    except UnhealthyError as unhealthy:
        return unhealthy.findings
