"""When nothing can be asked of eMAG at the moment, whichever row it is for."""

from __future__ import annotations

from integrations.emag.verdicts import Answer, Cause

# Causes that concern the account or the connection, not one row.
GENERAL = frozenset(
    {Cause.NETWORK, Cause.TIMEOUT, Cause.SERVER, Cause.CREDENTIALS, Cause.ADDRESS, Cause.ROUTE}
)

_REMEDIES = {
    Cause.CREDENTIALS: (
        "check the account's user name and password (EMAG_USERNAME and EMAG_PASSWORD, or its entry"
        " in EMAG_ACCOUNTS), and that the user has API rights"
    ),
    Cause.ADDRESS: "allow this host's address in the eMAG panel",
    Cause.ROUTE: (
        "check the account's address (EMAG_BASE_URL, or base_url in EMAG_ACCOUNTS): it must end in"
        " /api-3"
    ),
}


# What a person puts right: eMAG takes no notice of when, so only asking tells.
CORRECTABLE = frozenset(_REMEDIES)


class OutageError(Exception):
    """eMAG cannot be asked now; `cause` says why and the message what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        remedy = None if "; " in detail else _REMEDIES.get(cause)
        super().__init__(f"{detail}; {remedy}" if remedy else detail)
        self.cause = cause

    @classmethod
    def of(cls, answer: Answer) -> OutageError:
        return cls(answer.cause or Cause.SERVER, answer.text() or answer.verdict.value)
