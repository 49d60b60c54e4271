"""Several sessions on one database: awaiting what another one does, and upgrading meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg

from migrations.run import upgrade

BOUND = 30.0

LOCK_AWAITED = """
    SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = to_regclass('app.{table}')
"""

INDEX_BUILD_WAITS = """
    SELECT count(*) > 0 FROM pg_stat_progress_create_index
     WHERE datname = current_database() AND phase LIKE 'waiting for%'
"""


def wait_until(url: str, condition: str) -> None:
    """Ask the database until the query says true; fail after BOUND seconds."""
    deadline = time.monotonic() + BOUND
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(condition.encode()).fetchone() != (True,):
            assert time.monotonic() < deadline, f"never became true: {condition}"


@contextmanager
def upgrading(url: str) -> Iterator[Future[None]]:
    """An upgrade that runs beside the block; its outcome is the future's."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(upgrade, url)
