"""A seller's login at one eMAG platform, and what follows from the platform's host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from integrations.emag.routes import LIMITS, Family, Route


class _Platform(NamedTuple):
    name: str
    zone: str
    currency: str


PLATFORMS: Final[Mapping[str, _Platform]] = {
    "marketplace-api.emag.ro": _Platform("emag-ro", "Europe/Bucharest", "RON"),
    "marketplace-api.emag.bg": _Platform("emag-bg", "Europe/Sofia", "EUR"),
    "marketplace-api.emag.hu": _Platform("emag-hu", "Europe/Budapest", "HUF"),
    "marketplace-ro-api.fashiondays.com": _Platform("fd-ro", "Europe/Bucharest", "RON"),
    "marketplace-bg-api.fashiondays.com": _Platform("fd-bg", "Europe/Sofia", "EUR"),
}
"""API hosts with their zone and currency (API facts: Hosts; Dates)."""

_MOVED: Final[Mapping[str, str]] = {
    "marketplace.emag.ro": "marketplace-api.emag.ro",
    "marketplace.emag.bg": "marketplace-api.emag.bg",
    "marketplace.emag.hu": "marketplace-api.emag.hu",
    "marketplace-ro.fashiondays.com": "marketplace-ro-api.fashiondays.com",
    "marketplace-bg.fashiondays.com": "marketplace-bg-api.fashiondays.com",
}


@dataclass(frozen=True)
class Account:
    """One seller account: its name in the ERP's `account_type`, its login and its API address.

    `rates` are the seller's own limits in requests per second; they only lower eMAG's.
    `return_days` is the return time that the seller grants. Raises ValueError, without the
    password, for an address that credentials must not be sent to.
    """

    name: str
    account_type: Literal["main", "fbe"]
    username: str
    password: SecretStr
    base_url: str
    rates: Mapping[Family, float] = field(default_factory=dict, hash=False)
    return_days: int = 30

    def __post_init__(self) -> None:
        _check(_split(self.base_url))

    @property
    def platform(self) -> str:
        """The marketplace: "emag-ro", "fd-bg", ...; "sandbox-<port>" on this machine."""
        return _platform(self.base_url).name

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the platform's times, which carry none."""
        return ZoneInfo(_platform(self.base_url).zone)

    @property
    def currency(self) -> str:
        """The platform's default currency, as an ISO code."""
        return _platform(self.base_url).currency

    @property
    def order_type(self) -> int:
        """eMAG's `type` of the account's orders: 3 sold by the seller, 2 fulfilled by eMAG."""
        return 3 if self.account_type == "main" else 2


# Of eMAG's types of orders and returns, who fulfils them.
WHOSE: Final[Mapping[int, str]] = {3: "own", 2: "fulfilled by eMAG"}

TYPES: Final = (3, 2)
"""Each is read by itself: what one does not show the other may."""


def order_types(account: Account, accounts: Mapping[str, Account]) -> tuple[int, ...]:
    """eMAG's types of the orders and returns that the account sees to.

    Both, unless another account has the same login: then each sees to its own.
    """
    return (account.order_type,) if with_its_login(account, accounts) else TYPES


def who_sees_to(kind: int | None, account: Account, accounts: Mapping[str, Account]) -> Account:
    """Of the accounts with this login, the one that sees to orders and returns of the type.

    That is the account itself where no other does.
    """
    others = with_its_login(account, accounts)
    if kind == account.order_type:
        return account
    return next((other for other in others if other.order_type == kind), account)


def with_its_login(account: Account, accounts: Mapping[str, Account]) -> list[Account]:
    """The other accounts that have the same login."""
    login = (account.platform, account.username)
    return [
        other
        for other in accounts.values()
        if other.name != account.name and (other.platform, other.username) == login
    ]


def rate(account: Account, route: Route) -> float:
    """How many requests a second the account may spend on a route's family."""
    limit = LIMITS[route.bucket]
    return min(limit, account.rates.get(route.family, limit))


def api_url(base_url: str) -> tuple[str, bool]:
    """The API's address for one that a guide may print, and whether its host was rewritten."""
    url = base_url.strip().rstrip("/")
    parts = _split(url)
    host = parts.hostname or ""
    if host not in _MOVED:
        return url, False
    return parts._replace(netloc=parts.netloc.lower().replace(host, _MOVED[host])).geturl(), True


def _split(base_url: str) -> SplitResult:
    """The parts of an address; an error repeats none of them, for one could be a password."""
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # raises for what is no port number
    except ValueError:
        raise ValueError("base_url is not a web address") from None
    return parts


def _check(url: SplitResult) -> None:
    if url.username or url.password:
        raise ValueError("base_url must not hold a user name or password; set them apart from it")
    loopback = is_loopback(url.hostname or "")
    if not loopback and url.hostname not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        raise ValueError(f"base_url has the unknown host {url.hostname!r}; use one of {known}")
    if url.scheme != "https" and not (loopback and url.scheme == "http"):
        raise ValueError(f"base_url of {url.hostname} must begin with https://")


@lru_cache(maxsize=64)
def _platform(base_url: str) -> _Platform:
    url = _split(base_url)
    host = url.hostname or ""
    if is_loopback(host):
        return _Platform(f"sandbox-{url.port or 80}", "Europe/Bucharest", "RON")
    return PLATFORMS[host]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
