"""The form of addresses in the configuration, checked at the start rather than in mid-run."""

from __future__ import annotations

from urllib.parse import urlsplit

from integrations.settings.entries import DEFAULT_URL
from integrations.settings.errors import ConfigurationError

DATABASE_EXAMPLE = "postgresql://user:password@host:5432/name"


def checked_url(url: str, setting: str) -> str:
    remedy = f"write an address such as {DEFAULT_URL}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(setting, "is not an address", remedy) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(setting, "does not begin with https:// and a host", remedy)
    if parts.query or parts.fragment or not parts.path.strip("/"):
        raise ConfigurationError(setting, "does not end in the API's path, /api-3", remedy)
    return url


def check_public_url(url: str | None) -> None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            "EMAG_PUBLIC_URL",
            "does not begin with https://",
            "write the address under which eMAG can fetch documents from this host",
        )


def libpq_url(url: str) -> str:
    scheme, _, rest = url.strip().partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        _ = parts.port
    except ValueError:
        raise _bad_database("its host and port can't be read (is a character unescaped?)") from None
    if scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
        raise _bad_database("is not the address of a PostgreSQL database")
    _check_by_libpq(f"postgresql://{rest}", parts.netloc)
    return f"postgresql://{rest}"


def _check_by_libpq(url: str, netloc: str) -> None:
    """What libpq would say of it repeats what stands there, the password included."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except ProgrammingError:
        readable = False
    else:
        readable = netloc.count("@") <= 1
    if not readable:
        raise _bad_database(
            "can't be read (in a user name or password write @ as %40, % as %25, / as %2F; options"
            " behind ? must be libpq's)"
        )


def _bad_database(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "DATABASE_URL",
        problem,
        f"write {DATABASE_EXAMPLE}, or leave it out for the embedded PostgreSQL",
    )
