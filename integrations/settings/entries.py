"""EMAG_ACCOUNTS: the accounts of a seller who has more than one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from integrations.settings.errors import ConfigurationError, problem_of

DEFAULT_URL = "https://marketplace-api.emag.ro/api-3"
LONGEST_NAME = 10
EVERY_ACCOUNT = "all"

AccountType = Literal["main", "fbe"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, max_length=LONGEST_NAME, pattern=r"^[A-Za-z0-9._-]+$"
    ),
]


class Entry(BaseModel):
    """One element of EMAG_ACCOUNTS; without a `base_url`, EMAG_BASE_URL's."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Name
    account_type: AccountType = "main"
    username: Text
    password: SecretStr = Field(min_length=1)
    base_url: Text | None = None


def read_entries(text: str) -> Sequence[Entry]:
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


def _read_entry(number: int, item: object) -> Entry:
    try:
        entry = Entry.model_validate(item)
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
    return problem_of(mistake)


def _bad_accounts(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "EMAG_ACCOUNTS",
        problem,
        'write [{"name": ..., "account_type": "main", "username": ..., "password": ...,'
        ' "base_url": ...}, ...]',
    )
