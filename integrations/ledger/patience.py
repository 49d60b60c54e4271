"""A limit to how long the database may take, for who would rather know that it does not answer.

psycopg alone can't give up on a server that has frozen: it asks it to cancel the statement, and
waits for that.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg


class NoAnswerError(psycopg.OperationalError):
    """The database has taken longer than it may."""


@asynccontextmanager
async def answers_within(
    connection: psycopg.AsyncConnection[Any], seconds: float
) -> AsyncIterator[None]:
    """Let the block use a connection for so many seconds; after that it is cut off.

    Raises:
        NoAnswerError: it was.
    """
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        hang_up(connection)

    limit = asyncio.get_running_loop().call_later(seconds, give_up)
    try:
        yield
    except Exception as error:
        if late:
            raise NoAnswerError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        limit.cancel()


def hang_up(connection: psycopg.AsyncConnection[Any]) -> None:
    """End the conversation as if the server had: whoever waits for it is told so at once."""
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)
