"""Accounts: what follows from the host, and what never leaves them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from integrations.emag.accounts import Account, api_url, order_types, rate, who_sees_to
from integrations.emag.routes import ORDER_SAVE, RMA_READ, Family


def account(base_url: str = "https://marketplace-api.emag.ro/api-3", **other: Any) -> Account:
    fields = {"name": "main", "account_type": "main", "username": "shop@example.com"}
    return Account(**{**fields, **other}, password=SecretStr("h4-secret"), base_url=base_url)


@pytest.mark.parametrize(
    ("host", "platform", "zone", "currency"),
    [
        ("marketplace-api.emag.ro", "emag-ro", "Europe/Bucharest", "RON"),
        ("marketplace-api.emag.bg", "emag-bg", "Europe/Sofia", "EUR"),
        ("marketplace-api.emag.hu", "emag-hu", "Europe/Budapest", "HUF"),
        ("marketplace-ro-api.fashiondays.com", "fd-ro", "Europe/Bucharest", "RON"),
        ("marketplace-bg-api.fashiondays.com", "fd-bg", "Europe/Sofia", "EUR"),
    ],
)
def test_platform_zone_and_currency_follow_from_the_host(
    host: str, platform: str, zone: str, currency: str
) -> None:
    at = account(f"https://{host}/api-3")
    assert (at.platform, at.zone.key, at.currency) == (platform, zone, currency)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_an_address_on_this_machine_is_a_sandbox_named_by_its_port(host: str) -> None:
    at = account(f"http://{host}:8099/api-3")
    assert (at.platform, at.zone.key, at.currency) == ("sandbox-8099", "Europe/Bucharest", "RON")


def test_own_fulfilment_sells_orders_of_type_3_and_fbe_of_type_2() -> None:
    assert account(account_type="main").order_type == 3
    assert account(account_type="fbe").order_type == 2


@pytest.mark.parametrize(
    ("base_url", "complaint"),
    [
        ("http://marketplace-api.emag.ro/api-3", "must begin with https://"),
        ("https://marketplace.example/api-3", "unknown host 'marketplace.example'"),
        ("https://127.0.0.1.evil.example/api-3", "unknown host"),
        ("https://me:h4-secret@marketplace-api.emag.ro/api-3", "must not hold a user name"),
        ("ftp://127.0.0.1/api-3", "must begin with https://"),
        ("https://me:h4-secret", "not a web address"),
        ("https://[h4-secret/api-3", "not a web address"),
        ("", "unknown host"),
    ],
)
def test_credentials_are_kept_from_addresses_they_must_not_reach(
    base_url: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        account(base_url)
    assert "h4-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_password_shows_in_no_text_of_an_account() -> None:
    assert "h4-secret" not in repr(account())
    assert "h4-secret" not in str(account())


def test_an_account_can_be_a_key() -> None:
    assert {account(rates={Family.RMA: 1.0}): 1}


def test_a_seller_lowers_a_rate_but_never_raises_it() -> None:
    assert rate(account(), ORDER_SAVE) == 12
    assert rate(account(), RMA_READ) == 3
    assert rate(account(rates={Family.ORDERS: 4.0}), ORDER_SAVE) == 4
    assert rate(account(rates={Family.RMA: 5.0}), RMA_READ) == 3
    assert rate(account(rates={Family.OFFERS: 1.0}), RMA_READ) == 3


@pytest.mark.parametrize(
    ("printed", "used"),
    [
        ("https://marketplace.emag.ro/api-3", "https://marketplace-api.emag.ro/api-3"),
        ("https://Marketplace.eMAG.bg/api-3/", "https://marketplace-api.emag.bg/api-3"),
        (
            "https://marketplace-ro.fashiondays.com/api-3",
            "https://marketplace-ro-api.fashiondays.com/api-3",
        ),
    ],
)
def test_old_hosts_are_rewritten_to_the_apis(printed: str, used: str) -> None:
    assert api_url(printed) == (used, True)


def test_other_addresses_stay_but_for_a_slash_at_the_end() -> None:
    assert api_url(" http://127.0.0.1:8099/api-3/ ") == ("http://127.0.0.1:8099/api-3", False)
    api = "https://marketplace-api.emag.ro/api-3"
    assert api_url(api) == (api, False)


def test_an_address_that_is_none_is_said_to_be_none_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="not a web address") as caught:
        api_url("https://me:h4-secret")
    assert "h4-secret" not in str(caught.value)


def test_an_account_sees_to_both_types_unless_another_has_its_login() -> None:
    own = account()
    fbe = account(name="fbe", account_type="fbe")
    elsewhere = account(name="fbe", account_type="fbe", username="fbe@example.com")
    assert order_types(own, {"main": own}) == (3, 2)
    assert order_types(own, {"main": own, "fbe": elsewhere}) == (3, 2)
    assert order_types(own, {"main": own, "fbe": fbe}) == (3,)
    assert order_types(fbe, {"main": own, "fbe": fbe}) == (2,)


def test_what_is_of_the_other_type_is_another_accounts_only_where_that_has_the_same_login() -> None:
    own = account()
    fbe = account(name="fbe", account_type="fbe")
    elsewhere = account(name="fbe", account_type="fbe", username="fbe@example.com")
    assert who_sees_to(2, own, {"main": own, "fbe": fbe}) is fbe
    assert who_sees_to(3, fbe, {"main": own, "fbe": fbe}) is own
    assert who_sees_to(3, own, {"main": own, "fbe": fbe}) is own
    assert who_sees_to(2, own, {"main": own, "fbe": elsewhere}) is own
    assert who_sees_to(2, own, {"main": own}) is own
    assert who_sees_to(None, own, {"main": own, "fbe": fbe}) is own
