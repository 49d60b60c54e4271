"""The configuration, from the environment and `.env`: checked whole, wrong in one line."""

from __future__ import annotations

import base64
import difflib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from integrations.emag.accounts import Account, api_url
from integrations.emag.routes import Family

log = logging.getLogger("emag.settings")

DEFAULT_URL = "https://marketplace-api.emag.ro/api-3"
DATABASE_EXAMPLE = "postgresql://user:password@host:5432/name"
LONGEST_NAME = 10
EVERY_ACCOUNT = "all"
FOR_OTHERS = frozenset({"EMAG_FLOWS_HOME"})  # read by prefect.yaml

AccountType = Literal["main", "fbe"]
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, max_length=LONGEST_NAME, pattern=r"^[A-Za-z0-9._-]+$"
    ),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class ConfigurationError(Exception):
    """A mistake in the configuration, in one line that holds no value of a secret."""

    def __init__(self, setting: str, problem: str, remedy: str) -> None:
        super().__init__(f"{setting}: {problem}; {remedy}")
        self.setting = setting


class _Entry(BaseModel):
    """One element of EMAG_ACCOUNTS."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Name
    account_type: AccountType = "main"
    username: Text
    password: SecretStr = Field(min_length=1)
    base_url: Text = DEFAULT_URL


class Settings(BaseSettings):
    """All settings; each is the environment variable of its name in capitals, with `EMAG_`."""

    model_config = SettingsConfigDict(
        env_prefix="EMAG_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    username: Text | None = None
    password: SecretStr | None = None
    base_url: Text = DEFAULT_URL
    account_type: AccountType = "main"
    accounts_json: SecretStr | None = Field(default=None, validation_alias="EMAG_ACCOUNTS")
    environment: Literal["production", "sandbox"] = "production"
    rate_limit_orders: Rate = 12
    rate_limit_offers: Rate = 3
    rate_limit_rma: Rate = 5
    rate_limit_invoices: Rate = 3
    return_days: int = Field(default=30, ge=1, le=365)
    database_secret: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    data_dir: Path = Path(".emag")
    quiet_seconds: Seconds = Field(default=5, le=60)
    settle_seconds: Seconds = 120
    log_file: Path = Path("logs/app.log")
    calls_key: SecretStr | None = None
    api_token: SecretStr | None = None
    cancellations_require_approval: bool = False
    write_back: bool = True
    public_url: Text | None = None
    check_documents: bool = True

    @cached_property
    def accounts(self) -> Mapping[str, Account]:
        """The seller's accounts by name, in small letters; empty when none is configured."""
        if self.accounts_json is None:
            return self._single_account()
        if self.username is not None:
            raise ConfigurationError(
                "EMAG_ACCOUNTS", "EMAG_USERNAME is set beside it", "keep one of the two"
            )
        entries = _read_entries(self.accounts_json.get_secret_value())
        return {
            entry.name: self._account(entry, f"EMAG_ACCOUNTS: base_url of {entry.name}")
            for entry in entries
        }

    @cached_property
    def database_url(self) -> str | None:
        """The seller's database as a libpq URL; None means the embedded one under `data_dir`."""
        if self.database_secret is None:
            return None
        return _libpq_url(self.database_secret.get_secret_value())

    def chosen(self, account: str) -> Sequence[Account]:
        """The accounts that a name, or "all", stands for. Raises ConfigurationError for none."""
        if not self.accounts:
            raise ConfigurationError(
                "EMAG_USERNAME",
                "no eMAG account is configured",
                "set EMAG_USERNAME and EMAG_PASSWORD, or EMAG_ACCOUNTS",
            )
        if account.lower() == EVERY_ACCOUNT:
            return list(self.accounts.values())
        if account.lower() not in self.accounts:
            known = ", ".join(self.accounts)
            raise ConfigurationError(
                f"account {account!r}", "there is none of that name", f"use one of: {known}, all"
            )
        return [self.accounts[account.lower()]]

    def timings(self) -> dict[str, float]:
        """What the ledger's timings take from the configuration, in seconds."""
        return {"quiet": self.quiet_seconds, "settle": self.settle_seconds}

    def _single_account(self) -> Mapping[str, Account]:
        if self.username is None and self.password is None:
            return {}
        for name, value in (("EMAG_USERNAME", self.username), ("EMAG_PASSWORD", self.password)):
            if value is None:
                raise ConfigurationError(name, "is not set", "set it beside the other of the two")
        assert self.username is not None
        assert self.password is not None
        entry = _Entry(
            name=self.account_type,
            account_type=self.account_type,
            username=self.username,
            password=self.password,
            base_url=self.base_url,
        )
        return {entry.name: self._account(entry, "EMAG_BASE_URL")}

    def _account(self, entry: _Entry, setting: str) -> Account:
        url, rewritten = api_url(_checked_url(entry.base_url, setting))
        if rewritten:
            _warn(f"{setting}: the API has moved, using {url}; set it so")
        try:
            account = Account(
                name=entry.name,
                account_type=entry.account_type,
                username=entry.username,
                password=entry.password,
                base_url=url,
                rates=self._rates(),
                return_days=self.return_days,
            )
        except ValueError as error:
            raise ConfigurationError(setting, str(error), f"the default is {DEFAULT_URL}") from None
        if self.environment == "sandbox" and not account.platform.startswith("sandbox-"):
            raise ConfigurationError(
                setting,
                "EMAG_ENVIRONMENT=sandbox talks to this machine only",
                "set it to the address that `emag-flows sandbox` prints",
            )
        return account

    def _rates(self) -> Mapping[Family, float]:
        return {
            Family.ORDERS: self.rate_limit_orders,
            Family.OFFERS: self.rate_limit_offers,
            Family.RMA: self.rate_limit_rma,
            Family.INVOICES: self.rate_limit_invoices,
        }


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """The settings of this process: the environment, then `.env` in the working directory.

    Raises ConfigurationError for the first mistake; a suspicious name is only logged.
    """
    try:
        settings = Settings(_env_file=env_file)
        names = {*os.environ, *dotenv_values(env_file)}
    except ValidationError as error:
        raise _first_mistake(error) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigurationError(str(env_file), f"can't be read: {reason}", "mend it") from None
    _ = settings.accounts, settings.database_url
    _check_public_url(settings.public_url)
    _check_key(settings.calls_key)
    _warn_of_strangers(names)
    return settings


def _variable(field: str) -> str:
    alias = (
        Settings.model_fields[field].validation_alias if field in Settings.model_fields else None
    )
    return str(alias or (field if field.isupper() else f"EMAG_{field.upper()}"))


def _first_mistake(error: ValidationError) -> ConfigurationError:
    """The first error in our words: pydantic's would need two lines and may repeat the value."""
    mistake = error.errors(include_input=False, include_url=False)[0]
    name = _variable(str(mistake["loc"][0]))
    return ConfigurationError(name, _problem(mistake), _example(name))


def _problem(mistake: Mapping[str, Any]) -> str:
    text: str = mistake["msg"].lower().removeprefix("value error, ")
    return text.split(", unable")[0].replace("input should", "should")


def _example(name: str) -> str:
    for field, info in Settings.model_fields.items():
        if _variable(field) == name and info.default is not None:
            default = str(info.default).lower() if info.annotation is bool else info.default
            return f"leave it out for the default, {default}"
    return "set it to something, or leave it out"


def _read_entries(text: str) -> Sequence[_Entry]:
    """EMAG_ACCOUNTS taken apart. Its text holds passwords, so no error repeats any of it."""
    try:
        raw = json.loads(text)
    except ValueError:
        raise _bad_accounts("is not JSON") from None
    if not isinstance(raw, list) or not raw:
        raise _bad_accounts("is not a list with at least one account")
    entries = [_read_entry(number, item) for number, item in enumerate(raw, 1)]
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise _bad_accounts(f"two accounts are named {name} (capitals don't count)")
    return entries


def _read_entry(number: int, item: object) -> _Entry:
    try:
        entry = _Entry.model_validate(item)
    except ValidationError as error:
        mistake = error.errors(include_input=False, include_url=False)[0]
        field = mistake["loc"][0] if mistake["loc"] else "the whole"
        if mistake["type"] == "extra_forbidden":
            raise _bad_accounts(f"account {number} has a field that is not known") from None
        raise _bad_accounts(f"{field} of account {number}: {_entry_problem(mistake)}") from None
    if entry.name == EVERY_ACCOUNT:
        raise _bad_accounts(f'account {number} is named "all", which stands for every account')
    return entry


def _entry_problem(mistake: Mapping[str, Any]) -> str:
    if mistake["loc"] == ("name",) and mistake["type"].startswith("string_"):
        return f"1 to {LONGEST_NAME} letters, digits, dots, dashes or underscores make a name"
    return _problem(mistake)


def _bad_accounts(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "EMAG_ACCOUNTS",
        problem,
        'write [{"name": ..., "account_type": "main", "username": ..., "password": ...,'
        ' "base_url": ...}, ...]',
    )


def _checked_url(url: str, setting: str) -> str:
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


def _check_public_url(url: str | None) -> None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            "EMAG_PUBLIC_URL",
            "does not begin with https://",
            "write the address under which eMAG can fetch documents from this host",
        )


def _check_key(key: SecretStr | None) -> None:
    """Fernet's form: a key that fails only at the first call would fail in the middle of a run."""
    if key is None:
        return
    try:
        size = len(base64.b64decode(key.get_secret_value(), altchars=b"-_", validate=True))
    except ValueError:
        size = 0
    if size != 32:
        raise ConfigurationError(
            "EMAG_CALLS_KEY",
            "is not 32 bytes in URL-safe base64",
            "make one with: head -c 32 /dev/urandom | base64 | tr +/ -_",
        )


def _libpq_url(url: str) -> str:
    scheme, _, rest = url.strip().partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        _ = parts.port
    except ValueError:
        raise _bad_database("its host and port can't be read (is a character unescaped?)") from None
    if scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
        raise _bad_database("is not the address of a PostgreSQL database")
    return f"postgresql://{rest}"


def _bad_database(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "DATABASE_URL",
        problem,
        f"write {DATABASE_EXAMPLE}, or leave it out for the embedded PostgreSQL",
    )


def _warn_of_strangers(names: set[str]) -> None:
    known = [_variable(field) for field in Settings.model_fields]
    for name in sorted(names):
        if name.upper().startswith("EMAG_") and name.upper() not in {*known, *FOR_OTHERS}:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            _warn(f"{name} is not a setting of emag-flows{hint}")


@cache
def _warn(text: str) -> None:
    """Say it once: a command and the flow that it runs both read the settings."""
    log.warning("%s", text)
