"""A flow called from Python without a server of Prefect's uses up nothing that one would tell."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from datetime import date
from pathlib import Path

import pytest

from flows.prefect_server import environment
from flows.tidings import gather_tidings
from flows.untold import gather_untold
from integrations.emag.accounts import Account
from integrations.ledger.books import State
from integrations.ledger.engine import Engine
from tests.flows.test_told_once import alarms_in, ask_for_a_return
from tests.integrations.ledger.mirrored import RETURN, mirror_return

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("configured")]

RUN = "import asyncio, flows; print(asyncio.run(flows.rma_sync())[0].problems[0].state)"


async def test_a_refused_row_and_an_alarm_are_left_for_a_run_that_somebody_sees(
    engine: Engine, account: Account, prefect_home: Path
) -> None:
    """One test, because the server that Prefect starts for the call takes its time."""
    await ask_for_a_return(engine)
    await mirror_return(engine, platform=account.platform, finalize_by=date(2026, 1, 1))

    said = await in_python(RUN, prefect_home)

    assert State.REFUSED in said.splitlines(), said  # Prefect may say something behind it
    assert await alarms_in(engine) == [(str(RETURN), False)], said
    [told] = (await gather_untold("all")).told
    assert (told.problem.row_id, told.problem.state) == (1, State.REFUSED)
    [alarm] = (await gather_tidings("all", heard=True)).alarms
    assert alarm.subject == str(RETURN)


async def in_python(code: str, home: Path) -> str:
    """What a program says whose Prefect starts a server for the call alone."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env=environment(
            {
                "PREFECT_HOME": str(home),
                "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
                "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
                "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_LOGGING_LEVEL": "WARNING",
            }
        ),
        stdout=PIPE,
        stderr=STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode()
