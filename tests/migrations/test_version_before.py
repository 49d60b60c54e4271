"""The version before works on the newer schema: what a revision finds there, it leaves as it is.

It may add tables, columns that nobody need fill, indexes that forbid nothing, and functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from migrations.run import FOLDER
from tests.migrations import existing_erp
from tests.migrations.existing_erp import Rows

CONFIG = Config()
CONFIG.set_main_option("script_location", str(FOLDER))

FIRST, *LATER = [
    each.revision for each in reversed(list(ScriptDirectory.from_config(CONFIG).walk_revisions()))
]

BODY = re.compile(r"\nAS \$(\w*)\$.*\$\1\$\n", re.DOTALL)
TABLE = re.compile(r" ON (?:ONLY )?app\.(\w+)")

HARMFUL = {
    "a table that is gone": "DROP TABLE app.emag_drift",
    "a column that is gone": "ALTER TABLE app.emag_orders DROP COLUMN documents",
    "a column by another name": "ALTER TABLE app.emag_orders RENAME COLUMN documents TO papers",
    "a column of another type": "ALTER TABLE app.emag_orders ALTER COLUMN documents TYPE bigint",
    "a column to be filled": "ALTER TABLE app.emag_orders ALTER COLUMN held SET NOT NULL",
    "a new column to be filled": "ALTER TABLE app.emag_orders ADD COLUMN weight integer NOT NULL",
    "a default that is gone": "ALTER TABLE app.emag_orders ALTER COLUMN documents DROP DEFAULT",
    "a rule": "ALTER TABLE app.emag_orders ADD CHECK (documents < 9)",
    "an index that forbids": "CREATE UNIQUE INDEX once ON app.emag_orders (order_id)",
    "an index that is gone": "DROP INDEX app.emag_orders_owed_idx",
    "a trigger": (
        "CREATE TRIGGER meddle BEFORE INSERT ON app.emag_orders"
        " FOR EACH ROW EXECUTE FUNCTION app.emag_supersede()"
    ),
    "a function that is gone": "DROP FUNCTION app.emag_drop_calls(integer)",
    "a function with another result": (
        "DROP FUNCTION app.emag_prepare_calls(integer); CREATE FUNCTION"
        " app.emag_prepare_calls(days integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    ),
    "a function that could be meant, too": (
        "CREATE FUNCTION app.emag_prepare_calls(days bigint) RETURNS void LANGUAGE sql AS ''"
    ),
}

HARMLESS = (
    "CREATE TABLE app.emag_more (id bigint NOT NULL PRIMARY KEY, CHECK (id > 0));"
    "ALTER TABLE app.emag_orders ADD COLUMN weight integer, ADD COLUMN parcels integer NOT NULL"
    " DEFAULT 1;"
    "CREATE INDEX emag_orders_weight_idx ON app.emag_orders (weight);"
    "CREATE FUNCTION app.emag_weigh() RETURNS void LANGUAGE sql AS '';"
    "CREATE OR REPLACE FUNCTION app.emag_prepare_calls(days integer) RETURNS void"
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'pg_catalog', 'pg_temp'"
    " SET timezone TO 'UTC' AS $$BEGIN PERFORM 1; END$$"
)


@pytest.mark.parametrize("fixture", ["bare_database_url", "existing_url"])
def test_every_revision_leaves_what_was_there(request: pytest.FixtureRequest, fixture: str) -> None:
    url: str = request.getfixturevalue(fixture)
    execute(url, "CREATE SCHEMA IF NOT EXISTS app")
    migrate(url, FIRST)
    for revision in LATER:
        before = existing_erp.catalog(url)
        migrate(url, revision)
        assert list(broken(before, existing_erp.catalog(url))) == [], revision


@pytest.mark.parametrize("change", HARMFUL)
def test_what_would_break_it_is_noticed(database_url: str, change: str) -> None:
    before = existing_erp.catalog(database_url)
    execute(database_url, HARMFUL[change])
    assert list(broken(before, existing_erp.catalog(database_url))) != []


def test_what_breaks_nothing_is_allowed(database_url: str) -> None:
    before = existing_erp.catalog(database_url)
    execute(database_url, HARMLESS)
    assert list(broken(before, existing_erp.catalog(database_url))) == []


def migrate(url: str, revision: str) -> None:
    """Go on to a revision."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        CONFIG.attributes["connection"] = connection
        command.upgrade(CONFIG, revision)


def execute(url: str, statements: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statements))


def broken(before: Rows, after: Rows) -> Iterator[str]:
    """What the version that knew the catalog `before` may stumble over in the one `after`."""
    old, new = _contracts(before), _contracts(after)
    for (what, name), contract in old.items():
        found = new.get((what, name))
        if found != contract:
            yield f"{what} {name} was {contract} and is {found or 'gone'}"
    tables = {name.partition(".")[0] for what, name in old if what == "column"}
    functions = {_bare(name) for what, name in old if what == "function"}
    for what, name in new.keys() - old.keys():
        contract = new[what, name]
        if _binds(what, name, contract, tables, functions):
            yield f"{what} {name} is new: {contract}"


def _contracts(catalog: Rows) -> dict[tuple[str, str], str]:
    """What each thing promises to whoever uses it: of a function all but its body.

    That a column is to be filled is said by the column, and in newer PostgreSQL by a constraint.
    """
    return {
        (what, name): BODY.sub("", definition) if what == "function" else definition
        for what, name, definition in catalog
        if what != "revision" and not definition.startswith("NOT NULL ")
    }


def _binds(what: str, name: str, contract: str, tables: set[str], functions: set[str]) -> bool:
    """Whether something new binds those who don't know of it."""
    match what:
        case "column":
            return name.partition(".")[0] in tables and contract.endswith(" not null")
        case "constraint" | "trigger":
            return name.removeprefix("app.").partition(".")[0] in tables
        case "index":
            found = TABLE.search(contract)
            return " UNIQUE " in contract and found is not None and found[1] in tables
        case "function":
            return _bare(name) in functions
        case _:
            return False


def _bare(function: str) -> str:
    """Its name without the types of its arguments, by which others differ from it."""
    return function.partition("(")[0]
