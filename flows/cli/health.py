"""`emag-flows run health`: everything that the syncs stand on, looked at once."""

from __future__ import annotations

import flows
from flows.cli.console import console, print_json, table
from flows.parameters import HealthParameters

WRONG = 1
UNREACHABLE = 3
ASKING_EMAG = "eMAG answers"


async def check(parameters: HealthParameters, as_json: bool, through_prefect: bool) -> int:
    """Run the check and show what was found; as a flow run, the server holds the table."""
    if through_prefect:
        await flows.health_check(**parameters.model_dump())
        console().print("All well; the table is an artifact of the flow run.")
        return 0
    from flows.health import check_health

    findings = await check_health(parameters)
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
