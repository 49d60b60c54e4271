"""What the three services have in common: a row is handed in, taken on, and its standing told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from pydantic import ValidationError

from integrations.emag.accounts import Account
from integrations.erp.forms import LARGEST_ID, Form, ItemForm
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.erp.write import Value
from integrations.ledger.findings import one_line
from integrations.ledger.operations import (
    IDLE,
    OperationError,
    Standing,
    change_row,
    create_row,
    require_row,
    standing,
    wait_until_settled,
)
from integrations.ledger.replay import Reference, replay
from integrations.services.books import Database, database
from integrations.services.results import Result, failed, result_of
from integrations.settings import ConfigurationError, load_settings, without_password

Runner = Callable[[Kind], Awaitable[object]]
F = TypeVar("F", bound=Form)

# Where a field may have several forms, pydantic names the one that it tried as if it were a field.
_FORMS_OF_A_FIELD = frozenset({"datetime", "date", "str", "int"})


_DATABASE_FAILED = (psycopg.Error, OSError)

_AGAIN = (
    "see that it runs, and whether the ERP's row is as it should be, before you try again; with a"
    " key nothing is done twice"
)


class MalformedError(OperationError):
    """What was handed in can't be read; the text names the field and the remedy."""


class Service:
    """One kind of row.

    Args:
        account_type: the account of rows that name none; the ERP's default if left out.
        database: where the ERP's rows are; DATABASE_URL's if left out.
        wait: seconds to wait for an outcome before answering.
        runner: carries the kind's pending rows at once; none by default, then a sync does it.
        accounts: the seller's accounts by name; those of the settings if left out.
    """

    kind: Kind
    form: type[Form]

    def __init__(
        self,
        account_type: str | None = None,
        *,
        database: Database | None = None,
        wait: float = 0.0,
        runner: Runner | None = None,
        accounts: Mapping[str, Account] | None = None,
    ) -> None:
        self._account_type = account_type
        self._database = database
        self._wait = wait
        self._runner = runner
        self._accounts = accounts

    async def take_on(
        self, row: object, *, key: str | None = None, wait: float | None = None
    ) -> Standing:
        """Queue a row: an id, or an object with one, as the ERP holds it; else it is inserted.

        Raises:
            OperationError: nothing was written; the text says why.
        """
        books = await self.books()
        return await self._carried(books, await self._row_id(books, row, key), wait)

    async def change(
        self,
        row_id: int,
        values: Mapping[str, Value],
        *,
        key: str | None = None,
        wait: float | None = None,
    ) -> Standing:
        """Write these columns into a row of the ERP's and queue it. Raises OperationError."""
        require_id(row_id)
        books = await self.books()
        await change_row(books.engine, await books.schema(), self.kind, row_id, values, key)
        return await self._carried(books, row_id, wait)

    async def look(self, row_id: int) -> Standing:
        """Where a row stands; nothing is written. Raises UnknownRowError, MalformedError."""
        require_id(row_id)
        return await standing((await self.books()).engine, self.kind, row_id)

    async def told(self, answer: Awaitable[Standing]) -> Result:
        """The guide's answer, whatever comes of it."""
        try:
            return result_of(await answer)
        except (OperationError, ConfigurationError) as error:
            return failed(self.kind, str(error))
        except _DATABASE_FAILED as error:
            return failed(self.kind, f"the database: {without_password(one_line(error))}; {_AGAIN}")

    async def books(self) -> Database:
        """The database that this service works with."""
        if self._database is None:
            self._database = await database()
        return self._database

    async def _carried(self, books: Database, row_id: int, wait: float | None) -> Standing:
        if self._runner is not None:
            await self._runner(self.kind)
        seconds = self._wait if wait is None else wait
        return await wait_until_settled(books.engine, self.kind, row_id, seconds)

    async def _row_id(self, books: Database, row: object, key: str | None) -> int:
        known = row_id_of(row)
        if known is None:
            schema = await books.schema()
            values, items = self._read(row, schema)
            unsaid = self._unsaid(values, schema)
            return await create_row(books.engine, schema, self.kind, values, items, key, unsaid)
        require_id(known)
        await require_row(books.engine, await books.schema(), self.kind, known)
        if (await standing(books.engine, self.kind, known)).state == IDLE:
            await replay(books.engine, [Reference(self.kind, known)])
        return known

    def _read(
        self, row: object, schema: ErpSchema
    ) -> tuple[dict[str, Value], list[dict[str, Value]]]:
        """The columns to write: what was given, and of what was not, what the ERP has a column for.

        Raises MalformedError.
        """
        form = read_form(self.form, row)
        values = form.values()
        if self._account_type is not None:
            values.setdefault("account_type", self._account_type)
        table = ERP_TABLES[self.kind].name
        asked = form.model_fields_set
        values = {n: v for n, v in values.items() if n in asked or schema.column(table, n)}
        items: list[ItemForm] = getattr(form, "items", [])
        return values, [item.values() for item in items]

    def _unsaid(self, values: Mapping[str, Value], schema: ErpSchema) -> dict[str, Value]:
        """The currency of the row's account, where the row could name one and does not."""
        if "currency" in values or "currency" not in self.form.model_fields:
            return {}
        accounts = _configured() if self._accounts is None else self._accounts
        named = str(values.get("account_type") or "").strip().lower()
        its = [each for each in accounts.values() if named in ("", each.name)]
        currencies = {each.currency for each in its}
        if len(currencies) != 1 or not schema.column(ERP_TABLES[self.kind].name, "currency"):
            return {}
        return {"currency": currencies.pop()}


def _configured() -> Mapping[str, Account]:
    """The accounts of the settings; an ERP's process may know none."""
    try:
        return load_settings().accounts
    except ConfigurationError:
        return {}


def read_form(form: type[F], row: object) -> F:
    """What was handed in, as a form. Raises MalformedError, naming the first wrong field."""
    try:
        return form.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = field_of(first["loc"]) or "row"
        said = first["msg"].removeprefix("Value error, ")
        raise MalformedError(f"{where}: {said}", where) from None


def field_of(location: Sequence[str | int]) -> str:
    """The name of the field at which pydantic found something wrong; empty for the whole."""
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[-1] in _FORMS_OF_A_FIELD:
        parts.pop()
    return ".".join(parts)


def require_id(row_id: object) -> None:
    """Raises MalformedError for what can be no id of an ERP's row."""
    if not isinstance(row_id, int) or isinstance(row_id, bool) or not 1 <= row_id <= LARGEST_ID:
        raise MalformedError(f"id: must be the number of the ERP's row, 1 to {LARGEST_ID}", "id")


def row_id_of(row: object) -> int | None:
    """The id by which the ERP holds a row, None for one that it does not hold yet."""
    if isinstance(row, bool):
        return None
    if isinstance(row, int):
        return row
    found: Any = row.get("id") if isinstance(row, Mapping) else getattr(row, "id", None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
