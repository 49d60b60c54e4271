"""The form of the keys that seal the call record."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from pydantic import SecretStr

from integrations.settings.errors import ConfigurationError


def read_keys(keys: SecretStr | None) -> Sequence[str]:
    """The keys of a comma-separated list: the first one seals, all of them open.

    Raises ConfigurationError for what is not Fernet's form: a key that fails only at the first call
    would fail in the middle of a run.
    """
    if keys is None:
        return ()
    each = [key.strip() for key in keys.get_secret_value().split(",")]
    for number, key in enumerate(each, 1):
        if not _is_key(key):
            which = "" if len(each) == 1 else f": key {number} of {len(each)}"
            raise ConfigurationError(
                f"EMAG_CALLS_KEY{which}",
                "is not 32 bytes in URL-safe base64",
                "make one with: head -c 32 /dev/urandom | base64 | tr +/ -_",
            )
    return each


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    except ValueError:
        return False
