"""The seller's panel at eMAG, where a person looks an order up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from integrations.emag.accounts import Account

_PANELS: Final[Mapping[str, str]] = {
    "emag-ro": "https://marketplace.emag.ro",
    "emag-bg": "https://marketplace.emag.bg",
    "emag-hu": "https://marketplace.emag.hu",
    "fd-ro": "https://marketplace-ro.fashiondays.com",
    "fd-bg": "https://marketplace-bg.fashiondays.com",
}


def panel_url(account: Account, order_id: int) -> str | None:
    """The order's page in the panel; None for the sandbox, which has none.

    An assumption: eMAG documents the panel's hosts, but not the addresses of its pages.
    """
    host = _PANELS.get(account.platform)
    return f"{host}/order/details/{order_id}" if host and order_id > 0 else None
