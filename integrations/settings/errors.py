"""A mistake in the configuration, said in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ConfigurationError(Exception):
    """A mistake in the configuration, in one line that holds no value of a secret."""

    def __init__(self, setting: str, problem: str, remedy: str) -> None:
        super().__init__(f"{setting}: {problem}; {remedy}")
        self.setting = setting


def problem_of(mistake: Mapping[str, Any]) -> str:
    """One of pydantic's errors in a few words, without the value that it met."""
    if mistake["type"] == "string_pattern_mismatch":
        return "has not the form that it needs"
    text: str = mistake["msg"].lower().removeprefix("value error, ")
    return text.split(", unable")[0].replace("input should", "should")
