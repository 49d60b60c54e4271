"""Taking customers' data out of texts that eMAG writes for people."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 300

_SECRETS: Final = (
    re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    re.compile(r"\b[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}\b"),
    re.compile(r"(?<![\w+])(?:\+|00)\d(?:[ ().\-/]{0,2}\d){7,13}(?!\w)"),
    re.compile(r"(?<![\w.])\(?0\d(?:[ ().\-/]{0,2}\d){7,9}(?!\w)"),
)
"""E-mail addresses, IBANs (printed in groups or not), phone numbers (international, national)."""


def masked(text: str) -> str:
    """A text without e-mail addresses, phone numbers and IBANs, on one line of 300 characters."""
    text = " ".join(text.split())
    for secret in _SECRETS:
        text = secret.sub("***", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
