"""The configuration, from the environment and `.env`: checked whole, wrong in one line."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from integrations.emag.accounts import Account, api_url
from integrations.emag.routes import Family
from integrations.settings.addresses import check_public_url, checked_url
from integrations.settings.database import libpq_url, redacted
from integrations.settings.entries import (
    DEFAULT_URL,
    EVERY_ACCOUNT,
    AccountType,
    Entry,
    Text,
    read_entries,
)
from integrations.settings.errors import ConfigurationError, problem_of
from integrations.settings.keys import read_keys
from integrations.settings.reasons import read_reasons
from integrations.settings.token import check_token

__all__ = ["ConfigurationError", "Settings", "load_settings", "redacted", "without_password"]

log = logging.getLogger("emag.settings")

EXAMPLES = {"EMAG_NOTIFY_BLOCK": "write the block's type and name, such as slack-webhook/ops"}
FOR_OTHERS = frozenset({"EMAG_FLOWS_HOME"})  # read by prefect.yaml

# Below it, a run that keeps eight requests under way would give up waiting for their slots.
Rate = Annotated[float, Field(ge=0.5, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=3600)]
HowManyHours = Annotated[int, Field(ge=1, le=720)]


class Settings(BaseSettings):
    """All settings; each is the environment variable of its name in capitals, with `EMAG_`."""

    model_config = SettingsConfigDict(
        env_prefix="EMAG_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
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
    quiet_seconds: Annotated[float, Field(ge=0, le=60)] = 5
    settle_seconds: Seconds = 120
    document_hours: HowManyHours = 48
    wish_hours: HowManyHours = 24
    alarm_hours: HowManyHours = 24
    log_file: Path = Path("logs/app.log")
    calls_key: SecretStr | None = None
    api_token: SecretStr | None = None
    cancellations_require_approval: bool = False
    cancellations_pause_above: int = Field(default=0, ge=0, le=1_000_000)
    notify_block: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] | None = None
    reasons_json: Text | None = Field(default=None, validation_alias="EMAG_REASONS")
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
        entries = read_entries(self.accounts_json.get_secret_value())
        return {
            entry.name: self._account(entry, f"EMAG_ACCOUNTS: base_url of {entry.name}")
            for entry in entries
        }

    @cached_property
    def database_url(self) -> str | None:
        """The seller's database as a libpq URL; None means the embedded one under `data_dir`."""
        if self.database_secret is None:
            return None
        return libpq_url(self.database_secret.get_secret_value())

    @cached_property
    def calls_keys(self) -> Sequence[str]:
        """The keys of the call record: the first one seals, all of them open; empty without any."""
        return read_keys(self.calls_key)

    @cached_property
    def reasons(self) -> Mapping[str, int]:
        """eMAG's reason for each of the ERP's words for why something was cancelled."""
        return read_reasons(self.reasons_json)

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

    def hours(self) -> dict[str, int]:
        """How long eMAG waits for documents and answers, and how long before that alarms come."""
        return {
            "document": self.document_hours,
            "wish": self.wish_hours,
            "alarm": self.alarm_hours,
        }

    def _single_account(self) -> Mapping[str, Account]:
        if self.username is None and self.password is None:
            return {}
        for name, value in (("EMAG_USERNAME", self.username), ("EMAG_PASSWORD", self.password)):
            if value is None:
                raise ConfigurationError(name, "is not set", "set it beside the other of the two")
        assert self.username is not None
        assert self.password is not None
        entry = Entry(
            name=self.account_type,
            account_type=self.account_type,
            username=self.username,
            password=self.password,
        )
        return {entry.name: self._account(entry, "EMAG_BASE_URL")}

    def _account(self, entry: Entry, setting: str) -> Account:
        url, rewritten = api_url(checked_url(entry.base_url or self.base_url, setting))
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
    if env_file.is_dir():
        raise ConfigurationError(str(env_file), "is a folder", "make it a file, or remove it")
    try:
        settings = Settings(_env_file=env_file)
        names = {*os.environ, *dotenv_values(env_file)}
    except ValidationError as error:
        raise _first_mistake(error) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigurationError(str(env_file), f"can't be read: {reason}", "mend it") from None
    _ = settings.accounts, settings.database_url, settings.calls_keys, settings.reasons
    check_public_url(settings.public_url)
    check_token(settings.api_token)
    _check_data_dir(settings.data_dir)
    _warn_of_strangers(names)
    return settings


def without_password(text: str) -> str:
    """What a driver said, which may repeat parts of DATABASE_URL, without its password."""
    try:
        return redacted(text, load_settings().database_url)
    except ConfigurationError:
        return text  # nobody has connected


def _check_data_dir(folder: Path) -> None:
    try:
        folder.expanduser()
    except RuntimeError:
        raise ConfigurationError(
            "EMAG_DATA_DIR", f"{folder} is nobody's home", "write the path of a folder"
        ) from None


def _variable(field: str) -> str:
    alias = (
        Settings.model_fields[field].validation_alias if field in Settings.model_fields else None
    )
    return str(alias or (field if field.isupper() else f"EMAG_{field.upper()}"))


def _first_mistake(error: ValidationError) -> ConfigurationError:
    """The first error in our words: pydantic's would need two lines and may repeat the value."""
    mistake = error.errors(include_input=False, include_url=False)[0]
    name = _variable(str(mistake["loc"][0]))
    return ConfigurationError(name, problem_of(mistake), _example(name))


def _example(name: str) -> str:
    if name in EXAMPLES:
        return EXAMPLES[name]
    for field, info in Settings.model_fields.items():
        if _variable(field) == name and info.default is not None:
            default = str(info.default).lower() if info.annotation is bool else info.default
            return f"leave it out for the default, {default}"
    return "set it to something, or leave it out"


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
