"""What `.env` says while a program runs: passwords and keys change, and nothing is stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from integrations.settings import ConfigurationError, Settings, load_settings

log = logging.getLogger("emag.settings")

LOOK_SECONDS = 1.0

Mark = tuple[int, int, int]


class EnvFile:
    """Tells when the file says something else than the settings that somebody goes by.

    Args:
        who: goes by them.
        settings: what the file said at first.
        check: raises ConfigurationError where nobody can go by such settings.
    """

    def __init__(
        self,
        who: str,
        settings: Settings,
        check: Callable[[Settings], object],
        path: Path = Path(".env"),
    ) -> None:
        self._who, self._settings, self._check, self._path = who, settings, check, path
        self._seen: Mark | None = None
        self._read: Mark | None = None

    def changed(self) -> Settings | None:
        """The new settings, told once. A mistake in them is logged, and the old ones stay.

        A file is read when it is the same at two looks: before, somebody may be writing it.
        """
        mark = self._mark()
        is_written = mark == self._seen
        self._seen = mark
        if not is_written or mark == self._read:
            return None
        self._read = mark
        try:
            settings = load_settings(self._path)
            self._check(settings)
        except ConfigurationError as error:
            # With the colon of the error's own text the log would take what follows for a secret.
            setting, _, wrong = str(error).partition(": ")
            log.warning(
                "%s: going on as before, for in %s now %s %s",
                *(self._who, self._path, setting, wrong),
            )
            return None
        if settings == self._settings:
            return None
        self._settings = settings
        log.info("%s: going on with what %s says now", self._who, self._path)
        return settings

    def _mark(self) -> Mark:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino)
