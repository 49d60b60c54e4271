"""Taking customers' data and secrets out of what is shown to people."""

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

_ADDRESS: Final = re.compile(r"[a-z][a-z\d+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[a-z][a-z\d+.-]*://", re.IGNORECASE)
_HOST_AND_PATH: Final = re.compile(r"(\[[^]]*\]|[^:/\[\]]*)(:\d*)?/.*", re.DOTALL)


def masked(text: str) -> str:
    """A text without what is secret, on one line of 300 characters.

    That is e-mail addresses, phone numbers, IBANs, and what `without_secrets` leaves out.
    """
    text = _ADDRESS.sub(lambda found: without_secrets(found[0]), " ".join(text.split()))
    for secret in _SECRETS:
        text = secret.sub("***", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def without_secrets(address: str) -> str:
    """A web address to be shown: its login, query and fragment are replaced.

    Whoever wrote it may have put signs into a password that must not stand there: rather more is
    left out than a secret shown.
    """
    scheme = found[0] if (found := _SCHEME.match(address)) else ""
    written = address[len(scheme) :]
    rest = re.split(r"[?#]", written, maxsplit=1)[0]
    login, _, place = rest.rpartition("@")
    if "@" in written and not _HOST_AND_PATH.fullmatch(place):
        return f"{scheme}***"
    return f"{scheme}{'***@' if login else ''}{place}{'?***' if rest != written else ''}"
