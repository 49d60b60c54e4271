"""Taking customers' data and secrets out of what is shown to people."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 300

_GAP: Final = r"[ ().\-/\u2010-\u2015\u2212]{1,2}"
_ANY_GAP: Final = rf"(?:{_GAP})?"
_ALONE: Final = r"(?<!\d)(?<!\d[.,])"
_END: Final = r"(?![^\W_])"

# Neither a day nor an address of IPv4.
_NO_DAY: Final = r"(?!\d\d[./-]\d\d[./-]\d{4})"
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_NO_HOST: Final = rf"(?!{_OCTET}(?:\.{_OCTET}){{3}}(?![.\d]))"

# With the country's code and nothing before it: unbroken, or in the groups that people write.
_PLAIN: Final = r"40[237]\d{8}|359[2-9]\d{7,8}|36(?:[2357]0|31)\d{7}"
_IN_GROUPS: Final = "|".join(
    (
        rf"40{_ANY_GAP}[237]\d\d{_GAP}\d{{3}}{_GAP}\d{{3}}",
        rf"40{_ANY_GAP}[23]\d{_GAP}\d{{3}}{_GAP}\d\d{_ANY_GAP}\d\d",
        rf"359{_ANY_GAP}[2-9]\d{{0,2}}(?:{_GAP}\d{{2,4}}){{2,3}}",
        rf"36{_ANY_GAP}(?:1|[2-9]\d){_GAP}\d{{3}}{_GAP}\d{{3,4}}",
    )
)
_MOBILE: Final = r"0(?:7\d{8}|8[7-9]\d{7}|9[89]\d{7}|6(?:[2357]0|31)\d{7})"

_BETWEEN: Final = r"[ .\-\u2010-\u2015]?"
_IBANS: Final = "|".join(
    (
        rf"RO\d\d(?:{_BETWEEN}[A-Z]){{4}}(?:{_BETWEEN}[A-Z\d]){{16}}",
        rf"BG\d\d(?:{_BETWEEN}[A-Z]){{4}}(?:{_BETWEEN}\d){{6}}(?:{_BETWEEN}[A-Z\d]){{8}}",
        rf"HU\d\d(?:{_BETWEEN}\d){{24}}",
        # Any other's, in groups: in all but the first there is a digit, as there is in no sentence.
        r"(?<![^\W_])[A-Z]{2}\d\d[ -][A-Z\d]{4}(?:[ -](?=[A-Z]*\d)[A-Z\d]{4}){2,6}(?:[ -]\d{1,3})?",
        r"(?<![^\W_])[A-Z]{2}\d\d[A-Z\d]{11,30}",
    )
)

_SECRETS: Final = (
    re.compile(r"\b(?i:basic|bearer) +(?=\S+[A-Z\d=])[\w+/=.~-]+"),
    re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(rf"(?:{_IBANS}){_END}", re.IGNORECASE),
    re.compile(r"(?<![^\W_])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?" + _END),
    re.compile(rf"(?:\+|(?<!\w)00)\d(?:{_ANY_GAP}\d){{7,13}}{_END}"),
    re.compile(rf"{_ALONE}{_NO_HOST}(?:{_PLAIN}|{_IN_GROUPS}){_END}(?![.,]\d{{1,4}}\b)"),
    re.compile(rf"{_ALONE}{_MOBILE}{_END}"),
    re.compile(rf"(?<!\w)(?<!\d[.,]){_NO_DAY}\(?0[2-9](?:{_ANY_GAP}\d){{7,9}}{_END}"),
)
"""Credentials, e-mail addresses, IBANs (in groups or not), phone numbers (of any country behind a
plus or 00; of Romania, Bulgaria and Hungary with the country's code alone, or with a zero)."""

_ADDRESS: Final = re.compile(r"[a-z][a-z\d+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[a-z][a-z\d+.-]*://", re.IGNORECASE)
_HOST_AND_PATH: Final = re.compile(r"(\[[^]]*\]|[^:/\[\]]*)(:\d*)?/.*", re.DOTALL)


def masked(text: str) -> str:
    """A text without what is secret, on one line of 300 characters.

    That is credentials, e-mail addresses, phone numbers, IBANs, and what `without_secrets` leaves
    out. A phone number that has lost its zero (722911733) stays: nothing tells its nine digits
    from an order's number.
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
