"""Logging: to standard error and a rotating file, with secrets and personal data taken out."""

from __future__ import annotations

import logging
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
FILE_BYTES = 10_000_000
FILES_KEPT = 5

_GUARDED_NAMES = r"(?:password|passwd|pwd|secret|token|authorization|api[_-]?key|calls_key)"
# A comma ends a value, unless something follows it at once, or another key of a list of keys.
_COMMA_WITHIN = r"""(?:,(?=[^\s"',;&}\]])|,\s*(?=[\w-]{43}=))"""
_BARE = rf"""(?:[^\s,;&}}\]]|{_COMMA_WITHIN})+"""
_VALUE = rf"""(?:"[^"]*"|'[^']*'|(?!basic|bearer){_BARE})"""

# In this order: a later pattern may assume that the earlier ones are gone.
_REDACTIONS = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in [
        (r"\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{4,}", r"\1 [redacted]"),
        (r"(://[^\s:/@]*):[^\s@/]+@", r"\1:[redacted]@"),
        (rf"({_GUARDED_NAMES}\w*[\"']?\s*[=:]\s*){_VALUE}", r"\1[redacted]"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        (r"(?-i:\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b)", "[iban]"),
        (r"(?<![\w.:+-])(?:\+|00)\d{1,3}(?:[ .\-/]?\(?\d{2,4}\)?){2,4}(?![\w-])", "[phone]"),
        (r"(?<![\w.:+-])0[2-9]\d{1,2}[ .\-/]?\d{3}[ .\-/]?\d{3,4}(?![\w-])", "[phone]"),
    ]
]


def configure(level: str | int = logging.INFO, log_file: Path | None = None) -> None:
    """Send the `emag` loggers (and others' warnings) to standard error and, redacted, to a file.

    May be called again, for example once the file's name is known. A file that can't be
    written is said once and done without: logging must not stop a sync.
    """
    _remove_ours()
    _add(logging.StreamHandler(sys.stderr))
    logging.getLogger("emag").setLevel(level)
    if log_file is None:
        return
    try:
        _add(_file_handler(log_file))
    except OSError as error:
        logging.getLogger("emag.logs").warning(
            "no log file: %s (%s); set EMAG_LOG_FILE to a place that can be written",
            log_file,
            error.strerror,
        )


def redact(text: str) -> str:
    """The text without passwords, credentials, e-mail addresses, phone numbers and IBANs."""
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Redacts the finished text, so that arguments and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _file_handler(path: Path) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(
        path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", errors="replace"
    )


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(RedactingFormatter(FORMAT))
    logging.getLogger().addHandler(handler)


def _remove_ours() -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, RedactingFormatter):
            root.removeHandler(handler)
            handler.close()
