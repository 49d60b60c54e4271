"""What reaches the console and the log file, and what must not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.logs import configure, redact

KEY = "q83vEjRWeJASNFZ4kBI0VniQEjRWeJASNFZ4kBI0Vng="


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root, emag = logging.getLogger(), logging.getLogger("emag")
    handlers, level = list(root.handlers), emag.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    emag.setLevel(level)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Basic c2VsbGVyOnNlY3JldA==", "Authorization: Basic [redacted]"),
        ("headers {'Authorization': 'Basic c2VsbA=='}", "headers {'Authorization': [redacted]}"),
        ("EMAG_PASSWORD=hunter2 was read", "EMAG_PASSWORD=[redacted] was read"),
        ('{"password": "two words", "n": 1}', '{"password": [redacted], "n": 1}'),
        ("EMAG_PASSWORD=hun,ter2 was read", "EMAG_PASSWORD=[redacted] was read"),
        ("password=hunter2, then closed", "password=[redacted], then closed"),
        ("{password=hunter2, 'n': 1}", "{password=[redacted], 'n': 1}"),
        ("calls_key=a,b was read", "calls_key=[redacted] was read"),
        (f"EMAG_CALLS_KEY={KEY},{KEY} was read", "EMAG_CALLS_KEY=[redacted] was read"),
        (f"EMAG_CALLS_KEY={KEY}, {KEY},", "EMAG_CALLS_KEY=[redacted],"),
        (f"calls_key='{KEY}, {KEY}', n=1", "calls_key=[redacted], n=1"),
        (
            "cannot reach postgresql://app:p:w@db:5432/erp",
            "cannot reach postgresql://app:[redacted]@db:5432/erp",
        ),
        ("write to ion.popescu@example.com now", "write to [e-mail] now"),
        ("call +40 721 234 567 or 0721.234.567", "call [phone] or [phone]"),
        ("pay to RO49AAAA1B31007593840000.", "pay to [iban]."),
        ("pay to RO49 AAAA 1B31 0075 9384 0000 today", "pay to [iban] today"),
    ],
)
def test_secrets_and_personal_data_are_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "order 480000101: 2 lines, status 4, 12.50 RON",
        "2026-11-24 07:48:21,123 took 0.734 s",
        "call 3f2a9d10-5b6c-4d7e-8f90-a1b2c3d4e5f6 closed",
        "http://127.0.0.1:48321/api-3 answered 429",
        "rma 1234567890 of row 4294967295 is refused",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact(text) == text


def test_the_file_gets_what_the_console_gets_redacted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_file=tmp_path / "logs" / "app.log")

    try:
        int("password=hunter2")
    except ValueError:
        logging.getLogger("emag.sync").exception("failed for %s", "ana@example.com")

    for text in ((tmp_path / "logs" / "app.log").read_text(), capsys.readouterr().err):
        assert "emag.sync: failed for [e-mail]" in text
        assert "password=[redacted]" in text
        assert "hunter2" not in text


def test_configuring_again_replaces_instead_of_doubling(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    configure(log_file=tmp_path / "app.log")

    logging.getLogger("emag").info("once")

    assert capsys.readouterr().err.count("once") == 1


def test_a_log_file_that_cannot_be_written_is_said_and_done_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")

    configure(log_file=tmp_path / "logs" / "app.log")
    logging.getLogger("emag").info("still here")

    text = capsys.readouterr().err
    assert "EMAG_LOG_FILE" in text
    assert "still here" in text
