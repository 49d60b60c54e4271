"""Where a person looks an order up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.emag.accounts import Account
from integrations.emag.panel import panel_url


@pytest.mark.parametrize("country", ["ro", "bg", "hu"])
def test_the_panel_is_that_of_the_accounts_platform(account: Account, country: str) -> None:
    there = replace(account, base_url=f"https://marketplace-api.emag.{country}/api-3")

    url = panel_url(there, 480000101)

    assert url is not None
    assert url.startswith(f"https://marketplace.emag.{country}/")
    assert url.endswith("/480000101")


def test_the_sandbox_has_no_panel(account: Account) -> None:
    assert panel_url(account, 480000101) is None
