"""Which statements are executed on our connections, and what is committed on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from integrations.erp.connection import Answer, Connection

Values = Mapping[str, object] | None


@contextmanager
def told_of_statements(told: Callable[[str, Values], None]) -> Iterator[None]:
    """Tell of each, with its values, before it is executed; what `told` raises is in its place."""
    execute = Connection.execute

    async def telling(connection: Connection, statement: str, values: Values = None) -> Any:
        told(statement, values)
        answer: Answer = await execute(connection, statement, values)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "execute", telling)
        yield


@contextmanager
def told_of_commits(told: Callable[[], None]) -> Iterator[None]:
    """Tell of each before it happens; what `told` raises is in its place."""
    commit = psycopg.AsyncConnection.commit

    async def telling(connection: psycopg.AsyncConnection[Any]) -> None:
        told()
        await commit(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncConnection, "commit", telling)
        yield
