"""Whose cancellations a suspended run asks about is read from its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flows.approving import suspended

OF_FBE = {"parameters": {"account": "fbe", "direction": "both"}}
OF_ALL = {"parameters": {"account": "all"}}


@pytest.mark.parametrize(
    ("parameters", "account", "asked"),
    [
        (OF_FBE, "fbe", True),
        (OF_FBE, "main", False),
        (OF_FBE, "all", False),
        (OF_ALL, "main", True),
        (OF_ALL, "all", True),
        ({}, "main", True),
        ({"parameters": None}, "main", True),
    ],
)
async def test_a_run_asks_about_its_own_account_alone(
    parameters: Mapping[str, Any], account: str, asked: bool
) -> None:
    assert suspended("cancellations", parameters).asks_about(account) is asked
