"""Every session of ours speaks as this project reads and writes, whatever the database's defaults.

A database, a role or the environment may have others set, as ERPs like to (`ALTER DATABASE ... SET
datestyle = 'SQL, DMY'`). What is set here is what PostgreSQL reports to its clients unasked: where
it is right already, as almost everywhere, that costs nothing. A pooler in transaction mode keeps
just these with the client, and sets them on whichever connection it lends (PgBouncer, Odyssey and
PgCat: client_encoding, DateStyle, standard_conforming_strings, TimeZone, application_name). They
are not asked for at start-up, since poolers refuse or ignore the `options` that would carry them.
Nothing else is set: it would stay with a connection that the ERP is lent next. The style of
intervals, which none of our queries answers, does not matter, nor do those of bytes and of floats.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg.types.string import StrDumperUnknown

CONNECT_SECONDS: Final = 10

SPOKEN: Final[Mapping[str, str]] = {
    "DateStyle": "ISO",
    "standard_conforming_strings": "on",
}

UTF8: Final = "UTF8"
SQL_ASCII: Final = "SQL_ASCII"

# What stands for a character that the database's encoding lacks, and that resembles no letter.
UNKNOWN: Final = "?"


class EncodingError(psycopg.NotSupportedError):
    """Nobody can tell what the database's texts say; the message is one line with the remedy."""

    sqlstate = "0A000"

    def __init__(self, encoding: str) -> None:
        self.problem = f"the database's encoding is {encoding}, which this project can't read"
        self.remedy = (
            "move it into one made with `createdb --encoding=UTF8 --template=template0`"
            " (pg_dump, then psql)"
        )
        super().__init__(f"{self.problem}: {self.remedy}")


async def connect(
    conninfo: str = "",
    *,
    kind: type[psycopg.AsyncConnection[Any]] = psycopg.AsyncConnection,
    **options: Any,
) -> psycopg.AsyncConnection[Any]:
    """A connection that speaks as it should.

    Raises:
        EncodingError: it can't be told what the database's texts say.
        psycopg.Error: as `AsyncConnection.connect`.
    """
    connection = await kind.connect(conninfo, **_ALWAYS, **options)
    try:
        if missing := _missing(connection):
            async with connection.transaction():
                await connection.execute(missing)
        _write_as_may_be(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


def connect_blocking(conninfo: str = "", **options: Any) -> psycopg.Connection[Any]:
    """The same for who awaits nothing. Raises the same."""
    connection = psycopg.connect(conninfo, **_ALWAYS, **options)
    try:
        if missing := _missing(connection):
            with connection.transaction():
                connection.execute(missing)
        _write_as_may_be(connection)
    except BaseException:
        connection.close()
        raise
    return connection


# A pooler in transaction mode may stand in between: nothing is prepared.
_ALWAYS: Final[Mapping[str, Any]] = {"prepare_threshold": None, "connect_timeout": CONNECT_SECONDS}


def _missing(connection: psycopg.BaseConnection[Any]) -> bytes:
    """The statements after which the session speaks as it should; empty where it does."""
    told = connection.info.parameter_status
    encoding = told("server_encoding") or UTF8
    if encoding == SQL_ASCII:
        raise EncodingError(encoding)
    wanted = {**SPOKEN, "client_encoding": encoding}
    settings = {name: (told(name) or value).partition(",")[0] for name, value in wanted.items()}
    return b"; ".join(
        f"SET {name} TO {value}".encode()
        for name, value in wanted.items()
        if settings[name] != value
    )


def _write_as_may_be(connection: psycopg.BaseConnection[Any]) -> None:
    """Let texts be written that an older encoding than UTF-8 does not hold wholly."""
    try:
        encoding = connection.info.encoding
    except psycopg.NotSupportedError:
        raise EncodingError(connection.info.parameter_status("server_encoding") or "") from None
    if encoding != "utf-8":
        connection.adapters.register_dumper(str, _NearestText)


class _NearestText(StrDumperUnknown):
    """A text of which the encoding may lack characters: a customer's name, eMAG's message.

    One character must not keep a row from being carried, or its neighbours with it.
    """

    def dump(self, obj: str) -> Any:
        assert self.connection is not None
        encoding = self.connection.info.encoding
        return super().dump(obj.encode(encoding, NEAREST).decode(encoding))


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """The letters below their accents, else a question mark each."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(map(_base, lacking)), error.end


def _base(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() and character.isalpha() else UNKNOWN


NEAREST: Final = "emag-nearest"
codecs.register_error(NEAREST, _nearest)
