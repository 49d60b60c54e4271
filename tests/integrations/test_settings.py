"""The configuration: what is read, and how a mistake in it is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from integrations.emag.accounts import rate
from integrations.emag.reasons import ERP_REASONS
from integrations.emag.routes import CUSTOMER_INVOICE_READ, ORDER_SAVE, RMA_READ
from integrations.ledger.timings import Timings
from integrations.settings import ConfigurationError, Settings, load_settings, redacted

PASSWORD = "hunter2-secret"
KEY = "tMf-_la7OunCiXuSFkpCF2LO-7pm0gJmJq8JNw2zGPE="
LOGIN = {"EMAG_USERNAME": "seller@example.com", "EMAG_PASSWORD": PASSWORD}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def accounts(*entries: object) -> str:
    return json.dumps(list(entries))


def entry(name: str = "main", **fields: str) -> dict[str, str]:
    return {"name": name, "username": "seller@example.com", "password": PASSWORD, **fields}


def test_nothing_configured_is_usable_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)

    assert settings.accounts == {}
    assert settings.database_url is None
    assert settings.data_dir == Path(".emag")
    assert settings.timings() == {"quiet": 5, "settle": 120}
    with pytest.raises(ConfigurationError, match="set EMAG_USERNAME and EMAG_PASSWORD"):
        settings.chosen("all")


def test_a_single_account_is_named_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, **LOGIN, EMAG_ACCOUNT_TYPE="fbe", EMAG_RETURN_DAYS="60")

    account = settings.accounts["fbe"]
    assert (account.name, account.account_type, account.platform) == ("fbe", "fbe", "emag-ro")
    assert account.return_days == 60
    assert settings.chosen("FBE") == settings.chosen("all") == [account]


def test_dotenv_is_read_from_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("EMAG_USERNAME=from-file\nEMAG_PASSWORD=x\nEMAG_QUIET_SECONDS=1\n")

    settings = load(monkeypatch, EMAG_QUIET_SECONDS="2")

    assert settings.accounts["main"].username == "from-file"
    assert settings.quiet_seconds == 2


def test_several_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    bulgaria = "https://marketplace-api.emag.bg/api-3"
    text = accounts(entry("Main"), entry("bg-FBE", account_type="fbe", base_url=bulgaria))

    settings = load(monkeypatch, EMAG_ACCOUNTS=text)

    assert list(settings.accounts) == ["main", "bg-fbe"]
    assert settings.accounts["bg-fbe"].platform == "emag-bg"
    assert settings.accounts["bg-fbe"].currency == "EUR"


def test_accounts_without_an_address_take_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hungary = "https://marketplace-api.emag.hu/api-3"

    settings = load(monkeypatch, EMAG_ACCOUNTS=accounts(entry()), EMAG_BASE_URL=hungary)

    assert settings.accounts["main"].platform == "emag-hu"


def test_rates_can_only_lower_emags_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch, **LOGIN, EMAG_RATE_LIMIT_ORDERS="50", EMAG_RATE_LIMIT_INVOICES="0.5"
    )

    account = settings.accounts["main"]
    assert rate(account, ORDER_SAVE) == 12
    assert rate(account, RMA_READ) == 3
    assert rate(account, CUSTOMER_INVOICE_READ) == 0.5


def test_the_old_host_is_rewritten_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(monkeypatch, **LOGIN, EMAG_BASE_URL="https://marketplace.emag.ro/api-3")

    assert settings.accounts["main"].base_url == "https://marketplace-api.emag.ro/api-3"
    assert "EMAG_BASE_URL" in caplog.text


@pytest.mark.parametrize("name", ["EMAG_RATE_LIMIT_RMAS", "EMAG_RATE_LIMITS_RMA"])
def test_a_misspelt_rate_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    load(monkeypatch, **{name: "1"})

    assert f"{name} is not a setting of emag-flows; did you mean EMAG_RATE_LIMIT_RMA?" in (
        caplog.text
    )


def test_a_misspelt_name_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load(monkeypatch, EMAG_PASWORD=PASSWORD)

    assert "EMAG_PASWORD is not a setting" in caplog.text
    assert "EMAG_PASSWORD?" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://a:b@db/erp", "postgresql://a:b@db/erp"),
        ("postgres://a:b@db:6432/erp", "postgresql://a:b@db:6432/erp"),
        ("postgresql+psycopg://a:b@/erp?host=/run/pg", "postgresql://a:b@/erp?host=/run/pg"),
    ],
)
def test_any_spelling_of_a_postgresql_address(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str
) -> None:
    assert load(monkeypatch, DATABASE_URL=url).database_url == expected


def test_nothing_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    text = accounts(entry())
    settings = load(
        monkeypatch, EMAG_ACCOUNTS=text, DATABASE_URL=f"postgresql://app:{PASSWORD}@db/erp"
    )

    assert PASSWORD not in repr(settings)
    assert PASSWORD not in repr(settings.accounts)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://app:pa-ss%40word@db/erp", 'invalid token: "pa-ss%40word"'),
        ("postgresql://app:pa-ss%40word@db/erp", "no password pa-ss@word"),
        ("postgresql://app:pa-ss@word@db/erp", 'no host "word@db"'),
        ("postgresql://app:pa-ss/word@db/erp", 'no database "word@db"'),
        ("postgresql://app@db/erp?password=word", "no password word"),
    ],
)
def test_no_part_of_the_databases_password_stays_in_a_text(url: str, said: str) -> None:
    shown = redacted(said, url)

    assert "***" in shown
    assert "word" not in shown.removeprefix("no password")
    assert "pa-ss" not in shown


def test_a_text_without_a_password_stays_as_it_is() -> None:
    text = 'connection to server at "db" (10.0.0.1), port 5432 failed'

    assert redacted(text, "postgresql://app:hunter2-to-server@db/erp") == text
    assert redacted(text, "postgresql://app@db/erp") == text
    assert redacted(text, None) == text


MISTAKES = [
    ({"EMAG_QUIET_SECONDS": "soon"}, "EMAG_QUIET_SECONDS", "valid number"),
    ({"EMAG_QUIET_SECONDS": "61"}, "EMAG_QUIET_SECONDS", "less than or equal to 60"),
    ({"EMAG_QUIET_SECONDS": "-1"}, "EMAG_QUIET_SECONDS", "greater than or equal to 0"),
    ({"EMAG_RATE_LIMIT_RMA": "0"}, "EMAG_RATE_LIMIT_RMA", "greater than or equal to 0.5"),
    ({"EMAG_RATE_LIMIT_ORDERS": "1e-300"}, "EMAG_RATE_LIMIT_ORDERS", "greater than or equal to"),
    ({"EMAG_RATE_LIMIT_ORDERS": "nan"}, "EMAG_RATE_LIMIT_ORDERS", "finite"),
    ({"EMAG_WRITE_BACK": "perhaps"}, "EMAG_WRITE_BACK", "the default, true"),
    ({"EMAG_ACCOUNT_TYPE": "fbs"}, "EMAG_ACCOUNT_TYPE", "'main' or 'fbe'"),
    ({"EMAG_ENVIRONMENT": "test"}, "EMAG_ENVIRONMENT", "'production' or 'sandbox'"),
    ({"EMAG_USERNAME": "me"}, "EMAG_PASSWORD", "is not set"),
    ({"EMAG_PASSWORD": PASSWORD}, "EMAG_USERNAME", "is not set"),
    ({**LOGIN, "EMAG_BASE_URL": "marketplace-api.emag.ro"}, "EMAG_BASE_URL", "https://"),
    ({**LOGIN, "EMAG_BASE_URL": "https://marketplace-api.emag.ro"}, "EMAG_BASE_URL", "/api-3"),
    ({**LOGIN, "EMAG_BASE_URL": "http://marketplace-api.emag.ro/api-3"}, "EMAG_BASE_URL", "https"),
    ({**LOGIN, "EMAG_BASE_URL": "https://example.com/api-3"}, "EMAG_BASE_URL", "unknown host"),
    ({**LOGIN, "EMAG_BASE_URL": "http://127.0.0.1:bad/api-3"}, "EMAG_BASE_URL", "not an address"),
    (
        {**LOGIN, "EMAG_BASE_URL": f"https://a:{PASSWORD}@marketplace-api.emag.ro/api-3"},
        "EMAG_BASE_URL",
        "password",
    ),
    ({**LOGIN, "EMAG_ENVIRONMENT": "sandbox"}, "EMAG_BASE_URL", "this machine only"),
    ({**LOGIN, "EMAG_ACCOUNTS": accounts(entry())}, "EMAG_ACCOUNTS", "keep one of the two"),
    ({"EMAG_ACCOUNTS": f"[{{'password': '{PASSWORD}'}}]"}, "EMAG_ACCOUNTS", "is not JSON"),
    ({"EMAG_ACCOUNTS": "{}"}, "EMAG_ACCOUNTS", "is not a list"),
    ({"EMAG_ACCOUNTS": "[]"}, "EMAG_ACCOUNTS", "at least one"),
    ({"EMAG_ACCOUNTS": f'["{PASSWORD}"]'}, "EMAG_ACCOUNTS", "account 1"),
    ({"EMAG_ACCOUNTS": accounts(entry(), entry("MAIN"))}, "EMAG_ACCOUNTS", "named main"),
    ({"EMAG_ACCOUNTS": accounts(entry("elevenchars"))}, "EMAG_ACCOUNTS", "1 to 10 letters"),
    ({"EMAG_ACCOUNTS": accounts(entry("a b"))}, "EMAG_ACCOUNTS", "1 to 10 letters"),
    ({"EMAG_ACCOUNTS": accounts(entry("All"))}, "EMAG_ACCOUNTS", "every account"),
    ({"EMAG_ACCOUNTS": accounts(entry(pasword=PASSWORD))}, "EMAG_ACCOUNTS", "not known"),
    ({"EMAG_ACCOUNTS": accounts({"name": "main"})}, "EMAG_ACCOUNTS", "username of account 1"),
    (
        {"EMAG_ACCOUNTS": accounts(entry(base_url="http://example.com/api-3"))},
        "EMAG_ACCOUNTS: base_url of main",
        "unknown host",
    ),
    ({"DATABASE_URL": "sqlite:///erp.db"}, "DATABASE_URL", "not the address of a PostgreSQL"),
    ({"DATABASE_URL": f"postgresql://a:{PASSWORD}@db:x/y"}, "DATABASE_URL", "host and port"),
    ({"DATABASE_URL": f"postgresql://a:{PASSWORD}%zz@db/y"}, "DATABASE_URL", "% as %25"),
    ({"DATABASE_URL": f"postgresql://a:x@{PASSWORD}@db/y"}, "DATABASE_URL", "@ as %40"),
    ({"DATABASE_URL": f"postgresql://a:12/{PASSWORD}@db/y"}, "DATABASE_URL", "/ as %2F"),
    ({"DATABASE_URL": f"postgresql://a:{PASSWORD}@db/y?foo=bar"}, "DATABASE_URL", "libpq's"),
    (
        {"DATABASE_URL": f"postgresql://a:{PASSWORD}@db/y?sslmode={PASSWORD}"},
        "DATABASE_URL",
        "sslmode is none of disable, allow",
    ),
    (
        {"DATABASE_URL": f"postgresql://a:{PASSWORD}@db/y?connect_timeout=soon"},
        "DATABASE_URL",
        "connect_timeout is not a number",
    ),
    ({"EMAG_CALLS_KEY": PASSWORD}, "EMAG_CALLS_KEY", "32 bytes"),
    ({"EMAG_CALLS_KEY": f"{KEY},{PASSWORD}"}, "EMAG_CALLS_KEY: key 2 of 2", "32 bytes"),
    ({"EMAG_CALLS_KEY": f"{KEY},"}, "EMAG_CALLS_KEY: key 2 of 2", "32 bytes"),
    ({"EMAG_NOTIFY_BLOCK": "ops"}, "EMAG_NOTIFY_BLOCK", "such as slack-webhook/ops"),
    ({"EMAG_DATA_DIR": "~nobody-here/emag"}, "EMAG_DATA_DIR", "the path of a folder"),
    ({"EMAG_PUBLIC_URL": "shop.example"}, "EMAG_PUBLIC_URL", "https://"),
    ({"EMAG_PUBLIC_URL": "https://"}, "EMAG_PUBLIC_URL", "and a host"),
    ({"EMAG_PUBLIC_URL": "https://[shop"}, "EMAG_PUBLIC_URL", "is not an address"),
    ({"EMAG_PUBLIC_URL": f"https://u:{PASSWORD}@shop.example"}, "EMAG_PUBLIC_URL", "a password"),
    ({"EMAG_PUBLIC_URL": f"https://shop.example?a={PASSWORD}"}, "EMAG_PUBLIC_URL", "a query"),
    ({"EMAG_PUBLIC_URL": f"https://shop.example#{PASSWORD}"}, "EMAG_PUBLIC_URL", "a fragment"),
    ({"EMAG_API_TOKEN": "\u0103\u00ee\u021b" * 12}, "EMAG_API_TOKEN", "no header carries"),
    ({"EMAG_API_TOKEN": f" {PASSWORD}"}, "EMAG_API_TOKEN", "no header carries"),
]


@pytest.mark.parametrize(("variables", "setting", "problem"), MISTAKES)
def test_a_mistake_is_one_line_naming_setting_and_remedy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], setting: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(monkeypatch, **variables)

    text = str(caught.value)
    assert text.startswith(setting)
    assert problem in text
    assert ";" in text
    assert "\n" not in text
    assert PASSWORD not in text
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [("", ()), (KEY, [KEY]), (f" {KEY} , {'A' * 43}=", [KEY, f"{'A' * 43}="])],
)
def test_the_keys_of_the_call_record_are_a_list(
    monkeypatch: pytest.MonkeyPatch, text: str, keys: Sequence[str]
) -> None:
    assert load(monkeypatch, EMAG_CALLS_KEY=text).calls_keys == keys


def test_http_is_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:8087/api-3"
    settings = load(monkeypatch, **LOGIN, EMAG_ENVIRONMENT="sandbox", EMAG_BASE_URL=url)

    assert settings.accounts["main"].platform == "sandbox-8087"


def test_an_unreadable_dotenv_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_bytes(b"EMAG_USERNAME=\xff\xfe\n")

    with pytest.raises(ConfigurationError, match=r"^\.env: can't be read"):
        load(monkeypatch)


def test_a_dotenv_that_is_a_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").mkdir()

    with pytest.raises(ConfigurationError, match=r"^\.env: is a folder"):
        load(monkeypatch)


def test_an_unknown_account_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, EMAG_ACCOUNTS=accounts(entry("main"), entry("fbe")))

    with pytest.raises(ConfigurationError, match="use one of: main, fbe, all"):
        settings.chosen("other")


def test_how_long_emag_waits_and_when_alarms_come(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = load(monkeypatch).hours()
    own = load(monkeypatch, EMAG_DOCUMENT_HOURS="72", EMAG_WISH_HOURS="8", EMAG_ALARM_HOURS="12")

    assert usual == {"document": 48, "wish": 24, "alarm": 24}
    assert own.hours() == {"document": 72, "wish": 8, "alarm": 12}
    with pytest.raises(ConfigurationError, match="EMAG_WISH_HOURS"):
        load(monkeypatch, EMAG_WISH_HOURS="0")


def test_reasons_of_cancellations_are_the_usual_ones_unless_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = load(monkeypatch).reasons
    own = load(monkeypatch, EMAG_REASONS='{" Administrative": 28, "no_stock": 1}').reasons

    assert usual == ERP_REASONS
    assert own == {**ERP_REASONS, "administrative": 28, "no_stock": 1}


@pytest.mark.parametrize(
    ("reasons", "problem"),
    [
        ("{other: 21}", "is not JSON"),
        ("[21]", "is not an object"),
        ("{}", "is not an object"),
        ('{" ": 21}', "has an empty word"),
        ('{"other": "21"}', "'other' has no number"),
        ('{"other": true}', "'other' has no number"),
        ('{"other": 4}', "'other' is 4, but eMAG knows only 1, 2, 3, 15"),
        ('{"other": 21, "Other": 34}', "names a word twice"),
    ],
)
def test_a_wrong_reason_is_named(
    monkeypatch: pytest.MonkeyPatch, reasons: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"EMAG_REASONS: .*{problem}"):
        load(monkeypatch, EMAG_REASONS=reasons)


@pytest.mark.parametrize("quiet", ["0", "60"])
@pytest.mark.parametrize("settle", ["0", "3600"])
def test_every_time_that_is_accepted_is_one_that_runs_can_keep(
    monkeypatch: pytest.MonkeyPatch, quiet: str, settle: str
) -> None:
    settings = load(monkeypatch, EMAG_QUIET_SECONDS=quiet, EMAG_SETTLE_SECONDS=settle)

    timings = Timings(**settings.timings())

    assert (timings.quiet, timings.settle) == (float(quiet), float(settle))


def test_no_bound_of_a_setting_is_shadowed_by_another() -> None:
    """Where two of a kind stand beside each other, pydantic's schema keeps one in silence."""
    for name, field in Settings.model_fields.items():
        kinds = [type(each) for each in field.metadata]
        assert len(kinds) == len(set(kinds)), name
