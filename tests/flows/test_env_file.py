"""What `.env` says later: it is taken over when it is whole, and when it is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.env_file import EnvFile
from integrations.logs import redact
from integrations.settings import Settings, load_settings


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a seller with one account."""
    monkeypatch.chdir(tmp_path)
    written = tmp_path / ".env"
    written.write_text("EMAG_USERNAME=seller@example.com\nEMAG_PASSWORD=first\n")
    return written


@pytest.fixture
def file(path: Path) -> EnvFile:
    return EnvFile("somebody", load_settings(), lambda settings: settings.chosen("all"))


def looked_at(file: EnvFile, times: int = 3) -> list[Settings]:
    """What it tells at so many looks."""
    return [settings for settings in (file.changed() for _ in range(times)) if settings]


def test_a_file_that_says_the_same_changes_nothing(path: Path, file: EnvFile) -> None:
    assert looked_at(file) == []
    path.write_text(f"# a remark\n{path.read_text()}")
    assert looked_at(file) == []


def test_what_has_changed_is_told_once_when_nobody_is_writing_any_more(
    path: Path, file: EnvFile
) -> None:
    looked_at(file)
    path.write_text("EMAG_USERNAME=seller@example.com\nEMAG_PASSWORD=sec")
    assert file.changed() is None
    path.write_text("EMAG_USERNAME=seller@example.com\nEMAG_PASSWORD=second\n")
    assert file.changed() is None

    [told] = looked_at(file)

    assert told.accounts["main"].password.get_secret_value() == "second"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("EMAG_USERNAME=seller@example.com\n", "EMAG_PASSWORD is not set"),
        ("", "EMAG_USERNAME no eMAG account is configured"),
        (None, "EMAG_USERNAME no eMAG account is configured"),
    ],
)
def test_a_mistake_is_said_once_and_what_comes_after_it_is_taken(
    path: Path,
    file: EnvFile,
    text: str | None,
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    looked_at(file)
    path.unlink()
    if text is not None:
        path.write_text(text)

    assert looked_at(file) == []
    [said] = caplog.messages
    assert said.startswith(f"somebody: going on as before, for in .env now {problem}")
    assert redact(said) == said

    path.write_text("EMAG_USERNAME=seller@example.com\nEMAG_PASSWORD=second\n")
    assert len(looked_at(file)) == 1
