"""Playing at random: worlds whose steps Hypothesis chooses, on real parts, without waiting."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.emag.client import open_client
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from tests.conftest import PASSWORD, USERNAME
from tests.end_to_end.conftest import CONNECTING, Shop
from tests.end_to_end.pace import open_unpaced_shop, wipe

SEED = int(os.environ.get("EMAG_MODEL_SEED", "1"))

# How far apart seeds are that one play takes after another.
ANOTHER = 1000

# A request that is never answered costs this much, in seconds.
DEADLINE = 0.5

T = TypeVar("T")


class World(RuleBasedStateMachine):
    """A shop and its eMAG; `url` is that of an empty database, `steps` counts over all cases."""

    url: str
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.market = Market(credentials={USERNAME: PASSWORD})
        self.shop = self.do(self._open())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def end(self) -> None:
        """Let go of everything; to be called whatever a case came to."""
        self.do(self.stack.aclose())
        self.runner.close()

    async def _open(self) -> Shop:
        account = Account(
            name="main",
            account_type="main",
            username=USERNAME,
            password=SecretStr(PASSWORD),
            base_url=await self.stack.enter_async_context(serving(self.market)),
        )
        shop = await self.stack.enter_async_context(
            open_unpaced_shop(self.url, self.market, account)
        )
        client = await self.stack.enter_async_context(
            open_client(account, deadline=DEADLINE, connecting=CONNECTING)
        )
        shop.channel = replace(shop.channel, client=client)
        await wipe(shop)
        return shop


def step(**given: Any) -> Callable[[Callable[..., T]], Any]:
    """A rule whose steps are counted."""

    def decorate(function: Callable[..., T]) -> Any:
        @wraps(function)
        def counted(self: World, **drawn: Any) -> T:
            type(self).steps += 1
            return function(self, **drawn)

        made: Any = rule(**given)
        return made(counted)

    return decorate


def play(world: type[World], steps: int, of_a_case: int, share: int, reproduce: str) -> None:
    """Play so many steps at least, in cases of at most `of_a_case`.

    Args:
        share: which of several plays this is: each has seeds of its own.
        reproduce: what else to say of a failure than its seed.
    """
    chosen = SEED + share
    try:
        while world.steps < steps:
            cases = math.ceil((steps - world.steps) / of_a_case)
            _play_cases(seed(chosen)(world), cases, of_a_case)
            chosen += ANOTHER
    except BaseException as failure:
        failure.add_note(f"EMAG_MODEL_SEED={SEED} {reproduce}")
        raise


def _play_cases(world: type[World], cases: int, of_a_case: int) -> None:
    """Play so many cases, most of which Hypothesis makes as long as they may be."""
    playing = settings(
        max_examples=cases,
        stateful_step_count=of_a_case,
        deadline=None,
        database=None,
        phases=[Phase.generate] + [Phase.shrink] * bool(os.environ.get("SHRINK")),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(world, settings=playing)
