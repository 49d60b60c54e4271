"""A step outside a flow run: the plain function, with the same retries as its Prefect task."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx
import psycopg
import pytest

from tasks.step import step, transient


class Flaky:
    """Fails with the given errors, one a call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self, value: int) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


def lost() -> psycopg.OperationalError:
    return psycopg.OperationalError("server closed the connection")


async def test_a_step_is_the_function_that_it_decorates() -> None:
    @step("double", pauses=())
    async def double(value: int, *, times: int) -> int:
        """Twice as much."""
        return value * times

    assert await double(21, times=2) == 42
    assert double.__doc__ == "Twice as much."


async def test_what_fails_in_passing_is_repeated_once_for_each_pause() -> None:
    flaky = Flaky(lost(), ConnectionError())
    run = step("flaky", pauses=(0, 0))(lambda value: flaky(value))
    assert await run(7) == 7
    assert flaky.calls == 3


async def test_the_last_error_is_raised_as_it_is() -> None:
    flaky = Flaky(lost(), lost(), lost())
    run = step("flaky", pauses=(0, 0))(lambda value: flaky(value))
    with pytest.raises(psycopg.OperationalError):
        await run(7)
    assert flaky.calls == 3


async def test_an_error_that_will_come_again_is_not_repeated() -> None:
    flaky = Flaky(ValueError("wrong"))
    run = step("flaky", pauses=(0, 0, 0))(lambda value: flaky(value))
    with pytest.raises(ValueError, match="wrong"):
        await run(7)
    assert flaky.calls == 1


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (lost(), True),
        (psycopg.IntegrityError("duplicate key"), False),
        (httpx.ConnectError("refused"), True),
        (TimeoutError(), True),
        (KeyError("x"), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_only_the_database_and_the_network_fail_in_passing(
    error: BaseException, passing: bool
) -> None:
    assert transient(error) is passing


def test_stories_and_steps_do_not_import_prefect() -> None:
    modules = "flows, flows.rma, flows.cancellation, flows.invoice, tasks.call"
    script = f"import {modules}, sys; sys.exit('prefect' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
