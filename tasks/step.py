"""A step is a Prefect task inside a flow run, and the plain function with the same retries outside.

Outside a flow run Prefect is not even imported: `emag-flows run` without a server stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import httpx
import psycopg
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random
from tenacity.wait import wait_base, wait_chain, wait_fixed

P = ParamSpec("P")
R = TypeVar("R")

JITTER = 0.3


def transient(error: BaseException) -> bool:
    """Whether the same step may well succeed a moment later: the database or the network failed."""
    return isinstance(
        error,
        psycopg.OperationalError
        | psycopg.InterfaceError
        | httpx.TransportError
        | ConnectionError
        | TimeoutError,
    )


def step(
    name: str, *, pauses: Sequence[float]
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Make an async function a step, repeated after pauses (seconds) when it fails in passing."""

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            call = _Call(function, args, kwargs)
            if _in_flow_run():
                result: R = await _as_task(name, tuple(pauses))(call)
                return result
            repeated: R = await _repeated(call, pauses)
            return repeated

        return run

    return decorate


class _Call:
    """A call with its arguments, opaque to Prefect, which would search them for futures."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(
        self, function: Callable[..., Awaitable[Any]], args: Any, kwargs: dict[str, Any]
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs

    async def __call__(self) -> Any:
        return await self.function(*self.args, **self.kwargs)


def _in_flow_run() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


@cache
def _as_task(name: str, pauses: tuple[float, ...]) -> Callable[[_Call], Awaitable[Any]]:
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    async def run(call: _Call) -> Any:
        return await call()

    def passing(_task: Any, _run: Any, state: Any) -> bool:
        return isinstance(state.data, BaseException) and transient(state.data)

    return task(
        name=name,
        retries=len(pauses),
        retry_delay_seconds=list(pauses),
        retry_jitter_factor=JITTER,
        retry_condition_fn=passing,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(run)


async def _repeated(call: _Call, pauses: Sequence[float]) -> Any:
    attempts = AsyncRetrying(
        retry=retry_if_exception(transient),
        stop=stop_after_attempt(len(pauses) + 1),
        wait=_waits(pauses) + wait_random(0, JITTER),
        reraise=True,
    )
    return await attempts(call)


def _waits(pauses: Sequence[float]) -> wait_base:
    return wait_chain(*(wait_fixed(pause) for pause in pauses)) if pauses else wait_fixed(0)
