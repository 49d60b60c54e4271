"""What EMAG_PUBLIC_URL opens to others, and whether eMAG can come in by it."""

from __future__ import annotations

from urllib.parse import urlsplit

from integrations.emag.accounts import is_loopback
from integrations.ledger.check import Finding
from integrations.settings import Settings


def check_public_url(settings: Settings) -> list[Finding]:
    """What is to be said of EMAG_PUBLIC_URL; nothing where it is not set."""
    url = settings.public_url
    if url is None:
        return []
    return [Finding("EMAG_PUBLIC_URL", *_judge(settings, url))]


def complaints(settings: Settings) -> list[str]:
    """The same for a terminal: a line for what is wrong with it."""
    return [
        f"{each.name}: {each.detail}; {each.remedy}"
        for each in check_public_url(settings)
        if not each.ok
    ]


def _judge(settings: Settings, url: str) -> tuple[bool, str, str]:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False, "can't be read", "write an address such as https://shop.example.com"
    platforms = {account.platform for account in settings.accounts.values()}
    if is_loopback(host):
        if all(platform.startswith("sandbox-") for platform in platforms):
            return True, f"{host} is this machine, and so is the sandbox", ""
        return (
            False,
            f"{host} is this machine alone, where eMAG fetches no document and calls nobody",
            "write the address under which eMAG reaches this host, or leave it out",
        )
    if settings.api_token is None:
        return (
            False,
            f"whoever reaches {host} may use every endpoint: EMAG_API_TOKEN is not set",
            "set EMAG_API_TOKEN; callbacks and documents are free of it",
        )
    return True, f"others come in by {host}, and must show EMAG_API_TOKEN", ""
