"""The form of the key that seals the call record."""

from __future__ import annotations

import base64

from pydantic import SecretStr

from integrations.settings.errors import ConfigurationError


def check_key(key: SecretStr | None) -> None:
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
