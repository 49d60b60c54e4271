"""A flow of nobody's: what Prefect itself takes for a run. As a program it deploys itself."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from prefect import flow, get_client
from prefect.client.schemas.actions import WorkPoolCreate

ROOT = Path(__file__).resolve().parents[2]


@flow(name="empty")
async def empty() -> None:
    """Do nothing."""


async def _deploy(pool: str) -> None:
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    place = f"{Path(__file__).relative_to(ROOT)}:empty"
    found = await empty.afrom_source(str(ROOT), place)
    await found.adeploy("alone", work_pool_name=pool)


if __name__ == "__main__":
    asyncio.run(_deploy(sys.argv[1]))
