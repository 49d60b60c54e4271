"""How a person approves cancellations; light, for whoever only shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVERY_ACCOUNT = "all"


def command(account: str, option: str) -> str:
    """What runs the cancellations of an account, or of all, with this option; in backticks."""
    whose = "" if account == EVERY_ACCOUNT else f" --account {account}"
    return f"`emag-flows run cancellations{whose} {option}`"


@dataclass(frozen=True)
class Suspended:
    """A run that waits for an answer about the cancellations of an account, or of all."""

    name: str
    account: str

    def asks_about(self, account: str) -> bool:
        """Whether the answer lets this account's cancellations go."""
        return self.account in (EVERY_ACCOUNT, account)


def suspended(name: str, parameters: Mapping[str, Any]) -> Suspended:
    """A suspended run of this name and with these parameters, as Prefect keeps them."""
    form = parameters.get("parameters") or {}
    return Suspended(name, form.get("account") or EVERY_ACCOUNT)
