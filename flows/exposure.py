"""What EMAG_PUBLIC_URL opens to others, and whether eMAG can come in by it."""

from __future__ import annotations

from urllib.parse import urlsplit

from integrations.emag.accounts import is_loopback
from integrations.ledger.findings import Finding
from integrations.settings import ConfigurationError, Settings

# As long as 16 random bytes in hexadecimal, which nobody guesses; words and names are shorter.
SHORTEST_TOKEN = 32
MAKE_ONE = "make one with: head -c 32 /dev/urandom | base64 | tr +/ -_"


def require_token(settings: Settings, host: str) -> None:
    """Raises ConfigurationError where others than this machine come in without a good token."""
    if not host.strip():
        raise ConfigurationError("--host", "is empty", "name an address, such as 127.0.0.1")
    if not is_loopback(host) and (fault := _token_fault(settings)):
        raise ConfigurationError(
            "EMAG_API_TOKEN", f"{fault}, and {host} is open to others", MAKE_ONE
        )


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
    host = urlsplit(url).hostname or ""
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
    if fault := _token_fault(settings):
        return False, f"others come in by {host}, and EMAG_API_TOKEN {fault}", MAKE_ONE
    return True, f"others come in by {host}, and must show EMAG_API_TOKEN", ""


def _token_fault(settings: Settings) -> str | None:
    """Why the token keeps nobody out."""
    if settings.api_token is None:
        return "is not set"
    if len(settings.api_token.get_secret_value()) < SHORTEST_TOKEN:
        return f"is shorter than {SHORTEST_TOKEN} characters"
    return None
