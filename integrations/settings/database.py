"""DATABASE_URL: its form, checked before anybody connects, and its password kept out of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from integrations.settings.errors import ConfigurationError

DATABASE_EXAMPLE = "postgresql://user:password@host:5432/name"
HIDDEN = "***"
BREAKS = re.compile("[@:/?#%&=]")  # where a password that was not escaped falls into pieces
SHORTEST_PIECE = 3  # hiding fewer letters would garble every text

# libpq looks at these only when it connects, and then it repeats what it found.
WORDS: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "target_session_attrs": (
        "any",
        "read-write",
        "read-only",
        "primary",
        "standby",
        "prefer-standby",
    ),
}
NUMBERS = frozenset(
    {
        "connect_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
)


def libpq_url(url: str) -> str:
    """The address as libpq reads it. Raises ConfigurationError, which repeats none of it."""
    scheme, _, rest = url.strip().partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        _ = parts.port
    except ValueError:
        raise _bad("its host and port can't be read (is a character unescaped?)") from None
    if scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
        raise _bad("is not the address of a PostgreSQL database")
    _check_by_libpq(f"postgresql://{rest}")
    return f"postgresql://{rest}"


def redacted(text: str, url: str | None) -> str:
    """The text without the password of this address, in no spelling and in no part of it."""
    for piece in sorted(set(_pieces(url or "")), key=len, reverse=True):
        text = text.replace(piece, HIDDEN)
    return text


def _check_by_libpq(url: str) -> None:
    options = _read(url)
    before_options = url.partition("?")[0]
    if options is None or before_options.count("@") > 1 or "@" in str(options.get("dbname")):
        raise _bad(
            "can't be read (in a user name or password write @ as %40, % as %25, / as %2F; options"
            " behind ? must be libpq's)"
        )
    for name, words in WORDS.items():
        if options.get(name) not in (None, "", *words):
            raise _bad(f"{name} is none of {', '.join(words)}")
    for name in NUMBERS & options.keys():
        if not re.fullmatch(r"[+-]?\d{1,9}", options[name].strip()):
            raise _bad(f"{name} is not a number")


def _read(url: str) -> Mapping[str, str] | None:
    """What libpq understands by it. None: nothing, and what it says of that repeats passwords."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError:
        return None


def _pieces(url: str) -> Iterator[str]:
    login = url.partition("://")[2].rpartition("@")[0]
    options = _read(url) or {}
    for secret in (login.partition(":")[2], options.get("password"), options.get("sslpassword")):
        if secret:
            yield secret
            yield from (part for part in BREAKS.split(secret) if len(part) >= SHORTEST_PIECE)


def _bad(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "DATABASE_URL",
        problem,
        f"write {DATABASE_EXAMPLE}, or leave it out for the embedded PostgreSQL",
    )
