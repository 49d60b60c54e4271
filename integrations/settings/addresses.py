"""The form of addresses in the configuration, checked at the start rather than in mid-run."""

from __future__ import annotations

from urllib.parse import urlsplit

from integrations.settings.entries import DEFAULT_URL
from integrations.settings.errors import ConfigurationError


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
    """Raises ConfigurationError, which repeats none of it, for what is no plain address."""
    if url is not None and (problem := _no_public_url(url)):
        raise ConfigurationError(
            "EMAG_PUBLIC_URL",
            problem,
            "write the address under which eMAG can fetch documents from this host, such as"
            " https://shop.example.com",
        )


def _no_public_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "does not begin with https:// and a host"
    if "@" in parts.netloc:
        return "holds a user name or a password, which everybody would be shown"
    if "?" in url or "#" in url:
        return "has a query or a fragment, behind which no path can stand"
    return None
