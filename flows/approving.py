"""The command line that a person approves cancellations with; light, for whoever only shows it."""

from __future__ import annotations

EVERY_ACCOUNT = "all"


def command(account: str, option: str) -> str:
    """What runs the cancellations of an account, or of all, with this option; in backticks."""
    whose = "" if account == EVERY_ACCOUNT else f" --account {account}"
    return f"`emag-flows run cancellations{whose} {option}`"
