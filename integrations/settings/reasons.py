"""EMAG_REASONS: eMAG's cancellation reasons for the ERP's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from integrations.emag.reasons import CANCELLATION_REASONS, ERP_REASONS
from integrations.settings.errors import ConfigurationError


def read_reasons(text: str | None) -> Mapping[str, int]:
    """The usual reasons with what this JSON object sets instead; its words count in any case."""
    if text is None:
        return ERP_REASONS
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad_reasons("is not JSON") from None
    if not isinstance(raw, dict) or not raw:
        raise _bad_reasons("is not an object with at least one word")
    own = dict(_read_reason(word, number) for word, number in raw.items())
    if len(own) < len(raw):
        raise _bad_reasons("names a word twice (capitals and blanks around it don't count)")
    return {**ERP_REASONS, **own}


def _read_reason(word: str, number: object) -> tuple[str, int]:
    plain = word.strip().lower()
    if not plain:
        raise _bad_reasons("has an empty word")
    if not isinstance(number, int) or isinstance(number, bool):
        raise _bad_reasons(f"{plain!r} has no number")
    if number not in CANCELLATION_REASONS:
        known = ", ".join(map(str, CANCELLATION_REASONS))
        raise _bad_reasons(f"{plain!r} is {number}, but eMAG knows only {known}")
    return plain, number


def _bad_reasons(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "EMAG_REASONS", problem, 'write {"word of the ERP": number of eMAG\'s reason, ...}'
    )
