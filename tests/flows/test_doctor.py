"""First contact with a shop: what is looked at, what is said of each fault, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.doctor import Examination, examine
from flows.exposure import complaints
from flows.shop import open_shop
from integrations.emag.accounts import Account
from integrations.emag.routes import ORDER_READ
from integrations.ledger.budget import is_down, mark_down, reserve
from integrations.ledger.engine import Engine
from integrations.ledger.findings import Finding
from integrations.ledger.profile import Profile, read_profile
from integrations.sandbox.market import Market
from integrations.sandbox.switches import Switches
from integrations.settings import ConfigurationError, load_settings
from tests.integrations.ledger.mirrored import execute

pytestmark = pytest.mark.usefixtures("configured")

STEPS = [
    "host clock",
    "login",
    "credentials",
    "FBE",
    "body shape",
    "page size",
    "currency",
    "zone",
    "returns",
    "rma/count",
    "invoices",
]


def some_orders(market: Market, count: int = 3) -> None:
    now = datetime.now(UTC)
    market.add_orders({"status": 2, "date": now, "modified": now} for _ in range(count))


async def findings() -> Mapping[str, Finding]:
    """What is said of the account, by name."""
    return {each.name: each for each in (await examine("all")).findings["main"]}


async def fault() -> tuple[Examination, Finding]:
    """The one thing that is wrong with the account."""
    examination = await examine("all")
    [wrong] = [each for each in examination.findings["main"] if not each.ok]
    return examination, wrong


async def profile(engine: Engine) -> Profile:
    """What is kept of the account."""
    async with open_shop("main") as shop:
        [account] = shop.accounts
    return replace(await read_profile(engine, account.platform, "main"), measured_at=None)


async def test_every_step_is_told_and_nothing_is_changed(market: Market, engine: Engine) -> None:
    some_orders(market)
    market.add_order({"type": 2, "status": 4})
    before = market.journal.changes

    examination = await examine("all")

    assert [each.name for each in examination.findings["main"]] == STEPS
    assert all(each.ok for found in examination.findings.values() for each in found)
    assert not examination.unreachable
    assert market.journal.changes == before
    assert market.journal.violations() == []
    assert await profile(engine) == Profile(
        top_level_filters=True,
        page_cap=None,
        counts_returns=True,
        own_orders=3,
        fbe_orders=1,
        currency="RON",
        minutes_ahead=0,
    )


async def test_a_shop_without_orders_is_no_fault(market: Market, engine: Engine) -> None:
    found = await findings()

    assert all(each.ok for each in found.values())
    assert found["zone"].detail == "no order carries a time yet: nothing can be told"
    assert (await profile(engine)).page_cap is None


@pytest.mark.parametrize("password", ["wrong", "wr\u00f6ng"])
async def test_wrong_credentials_end_the_visit_with_what_to_check(
    market: Market, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("EMAG_PASSWORD", password)

    examination, wrong = await fault()

    assert wrong.name == "user name and password"
    assert "EMAG_USERNAME and EMAG_PASSWORD" in wrong.remedy
    assert examination.unreachable
    assert [each.name for each in examination.findings["main"]] == [
        "host clock",
        "login",
        wrong.name,
    ]
    assert password not in str(examination)


async def test_a_mistake_made_here_stops_nobody_else(
    engine: Engine, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_PASSWORD", "wrong")

    examination, _ = await fault()

    assert examination.unreachable
    assert not await is_down(engine, account, ORDER_READ)


async def test_a_corrected_mistake_is_found_out_at_once(
    market: Market, engine: Engine, account: Account
) -> None:
    await reserve(engine, account, ORDER_READ, longest=5.0)
    await mark_down(engine, account, ORDER_READ, "credentials", "wrong", probe=60.0)
    asked = len(market.journal.requests)

    examination = await examine("all")

    assert not examination.unreachable
    assert all(each.ok for each in examination.findings["main"])
    assert len(market.journal.requests) > asked
    assert market.journal.violations() == []
    assert not await is_down(engine, account, ORDER_READ)


async def test_a_mistake_that_is_still_there_is_asked_about_each_time(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAG_PASSWORD", "wrong")
    await fault()
    asked = len(market.journal.requests)

    _, wrong = await fault()

    assert len(market.journal.requests) == asked + 1
    assert "asked again by itself" not in wrong.detail


@pytest.mark.parametrize("status", [200, 403])
async def test_an_address_that_is_not_allowed_is_told_apart_from_wrong_credentials(
    market: Market, status: int
) -> None:
    market.switches = Switches(
        allowed_addresses=frozenset({"192.0.2.1"}),
        address_refusal=status,  # type: ignore[arg-type]
    )

    examination, wrong = await fault()

    assert examination.unreachable
    assert wrong.name == "this host's address"
    assert "allowed ones in eMAG's panel" in wrong.remedy


async def test_a_host_that_nobody_answers_at_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAG_BASE_URL", "http://127.0.0.1:9/api-3")

    examination, wrong = await fault()

    assert examination.unreachable
    assert wrong.name == "the way to eMAG"
    assert "firewall" in wrong.remedy


async def test_filters_that_are_ignored_forbid_a_sync(market: Market, engine: Engine) -> None:
    some_orders(market)
    market.switches = Switches(ignored_filters=frozenset({"id"}))

    examination, wrong = await fault()

    assert wrong.name == "body shape"
    assert "no sync asks it for this account until a later `emag-flows doctor`" in wrong.remedy
    assert not examination.unreachable
    assert (await profile(engine)).top_level_filters is False


async def test_pages_that_are_clipped_are_measured(market: Market, engine: Engine) -> None:
    some_orders(market, 9)
    market.switches = Switches(page_cap=7)

    assert (await findings())["page size"].detail == "a page holds 7 rows at most"
    assert (await profile(engine)).page_cap == 7


async def test_times_of_another_zone_are_a_fault(market: Market, engine: Engine) -> None:
    market.switches = Switches(zone="Asia/Tokyo")
    some_orders(market)

    examination, wrong = await fault()

    assert wrong.name == "zone"
    assert "another zone" in wrong.remedy
    assert not examination.unreachable
    assert ((await profile(engine)).minutes_ahead or 0) > 300


async def test_orders_in_another_currency_than_the_platforms_are_a_fault(
    market: Market, engine: Engine
) -> None:
    market.switches = Switches(currency="EUR")
    some_orders(market)

    _, wrong = await fault()

    assert wrong.name == "currency"
    assert wrong.detail.startswith("orders carry EUR; ")
    assert wrong.detail.endswith("'s own is RON")
    assert "EMAG_BASE_URL" in wrong.remedy
    assert (await profile(engine)).currency == "EUR"


async def test_orders_in_the_platforms_currency_and_others_are_no_fault(market: Market) -> None:
    some_orders(market)
    market.add_order({"status": 2, "currency": "EUR"})

    currency = (await findings())["currency"]

    assert currency.ok
    assert currency.detail.startswith("orders carry EUR, RON; ")


async def test_without_an_order_nothing_is_claimed_of_the_currency(
    market: Market, engine: Engine
) -> None:
    some_orders(market)
    await examine("all")
    for order_id in list(market.orders):
        order = market.orders.get(order_id)
        assert order is not None
        order["currency"] = None

    found = await findings()

    assert found["currency"].detail == "no order carries a currency: nothing can be told"
    assert (await profile(engine)).currency == "RON"


async def test_a_count_that_is_refused_leaves_the_rest_to_be_told(
    market: Market, engine: Engine
) -> None:
    some_orders(market)
    market.faults.add("order/count", kind="error_although_applied", times=None)

    found = await findings()

    assert [name for name, each in found.items() if not each.ok] == ["credentials", "FBE"]
    assert found["page size"].detail == "the orders could not be counted: nothing can be told"
    assert found["currency"].ok


@pytest.mark.parametrize(
    ("url", "token", "ok", "words"),
    [
        ("https://shop.example.com", "", False, "may use every endpoint"),
        ("https://shop.example.com", "a-token", False, "is shorter than 32 characters"),
        ("https://shop.example.com", "a-token" * 5, True, "must show EMAG_API_TOKEN"),
        ("http://127.0.0.1:8000", "", True, "and so is the sandbox"),
    ],
)
async def test_what_the_public_address_opens_is_told(
    monkeypatch: pytest.MonkeyPatch, url: str, token: str, ok: bool, words: str
) -> None:
    monkeypatch.setenv("EMAG_PUBLIC_URL", url)
    monkeypatch.setenv("EMAG_API_TOKEN", token)

    [found] = (await examine("all")).findings["configuration"]

    assert (found.name, found.ok) == ("EMAG_PUBLIC_URL", ok)
    assert words in found.detail
    assert bool(found.remedy) is not ok


def test_a_public_address_where_no_emag_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAG_ENVIRONMENT", "production")
    monkeypatch.setenv("EMAG_BASE_URL", "https://marketplace-api.emag.ro/api-3")
    monkeypatch.setenv("EMAG_PUBLIC_URL", "http://localhost:8000")

    [complaint] = complaints(load_settings())

    assert complaint.startswith("EMAG_PUBLIC_URL: localhost is this machine alone")


async def test_accounts_that_share_a_login_are_named(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"username": account.username, "password": account.password.get_secret_value()}
    for name in ("EMAG_USERNAME", "EMAG_PASSWORD"):
        monkeypatch.delenv(name)
    accounts = [{"name": "main", **login}, {"name": "fbe", "account_type": "fbe", **login}]
    monkeypatch.setenv("EMAG_ACCOUNTS", json.dumps(accounts))

    found = (await examine("all")).findings

    shared = {name: each.detail for name in ("main", "fbe") for each in found[name][1:2]}
    assert shared == {
        "main": "shared with fbe; the request limits are counted per login",
        "fbe": "shared with main; the request limits are counted per login",
    }


async def test_what_could_not_be_told_this_time_stays_as_it_was(
    market: Market, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_orders(market)
    await examine("all")
    before = await profile(engine)
    monkeypatch.setenv("EMAG_PASSWORD", "wrong")

    await examine("all")

    assert before.own_orders == 3
    assert await profile(engine) == before


async def test_emag_is_not_asked_before_the_database_is_well(
    market: Market, engine: Engine
) -> None:
    await execute(engine, "ALTER TABLE app.invoices DISABLE TRIGGER USER")

    examination = await examine("all")

    assert list(examination.findings) == ["database"]
    [wrong] = [each for each in examination.findings["database"] if not each.ok]
    assert wrong.name == "capture of invoices"
    assert wrong.remedy.startswith("ALTER TABLE app.invoices ENABLE TRIGGER ")
    assert market.journal.requests == []


async def test_a_database_that_is_not_set_up_is_said_in_one_line(
    market: Market, bare_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", bare_database_url)

    with pytest.raises(ConfigurationError, match="run `emag-flows db upgrade`"):
        await examine("all")

    assert market.journal.requests == []
