"""The form of EMAG_API_TOKEN."""

from __future__ import annotations

import re

from pydantic import SecretStr

from integrations.settings.errors import ConfigurationError

# What a header carries as it is (RFC 9110, 5.5): blanks around a value are no part of it.
_SENDABLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def check_token(token: SecretStr | None) -> None:
    """Raises ConfigurationError for a token that no request could show."""
    if token is not None and not _SENDABLE.fullmatch(token.get_secret_value()):
        raise ConfigurationError(
            "EMAG_API_TOKEN",
            "has letters that no header carries (beyond ASCII, or blanks around it)",
            "make one with: head -c 32 /dev/urandom | base64 | tr +/ -_",
        )
