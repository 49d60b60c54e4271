"""What the documents name exists: commands, options, files, settings, tables, tests; SQL runs."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flows.cli.main import COMMANDS, _load
from flows.parameters import HealthParameters, RetentionParameters, SyncParameters
from integrations.ledger.books import State
from integrations.ledger.check import OUR_TABLES
from integrations.ledger.timings import Timings
from integrations.settings import FOR_OTHERS, Settings
from integrations.sync.plan import Event
from migrations.revisions import head

ROOT = Path(__file__).parents[1]
DOCS = {path: path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
EVERY = pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")

# What operators have in their dashboards already, letter by letter.
VERBATIM = (
    """\
SELECT r.return_number, e.emag_return_id, e.emag_status, e.last_synced_at
FROM app.return_requests r
LEFT JOIN app.emag_return_integrations e ON r.id = e.return_request_id
WHERE r.created_at > NOW() - INTERVAL '1 day'""",
    """\
SELECT sync_id, status, total_offers_processed, offers_failed, started_at
FROM app.emag_offer_syncs
ORDER BY started_at DESC
LIMIT 10""",
)

# An example may await outside a function, as in a notebook.
AST = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def fences(path: Path, language: str) -> list[str]:
    """The blocks of code in this language."""
    return [text for word, text in FENCE.findall(DOCS[path]) if word == language]


def inline(path: Path) -> list[str]:
    """What stands in backticks in running text."""
    return INLINE.findall(FENCE.sub("", DOCS[path]))


def command_lines(path: Path, program: str) -> Iterator[list[str]]:
    """The arguments of a program wherever the document shows it being called."""
    typed = [
        line.removeprefix("$ ")
        for text in fences(path, "console")
        for line in text.splitlines()
        if line.startswith("$ ")
    ]
    for line in (*typed, *inline(path)):
        if line.startswith(f"{program} "):
            words = shlex.split(line, comments=True)
            yield words[1 : words.index(">") if ">" in words else None]


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def variable(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias or f"EMAG_{field.upper()}")


def first_column(path: Path, heading: str) -> list[str]:
    """What stands in backticks in the first cells of the first table below a heading."""
    below = DOCS[path].split(f" {heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table
    cells = (line.split("|")[1] for line in table[0].splitlines())
    return [name for cell in cells for name in INLINE.findall(cell)]


def options(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


@EVERY
def test_commands_and_their_options_exist(path: Path) -> None:
    for words in command_lines(path, "emag-flows"):
        if not words or words == ["--help"]:
            continue
        name, *rest = words
        assert name in COMMANDS, words
        command = _load(name)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= {*options(command), "--help"}, words


@EVERY
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert {words[0] for words in command_lines(path, "make") if words} <= targets


def test_the_readme_names_every_make_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony

    named = {words[0] for words in command_lines(ROOT / "README.md", "make") if words}
    assert named == set(phony[1].split())


def test_the_readme_lists_every_setting_and_no_other() -> None:
    listed = first_column(ROOT / "README.md", "Every setting")

    assert sorted(listed) == sorted(map(variable, Settings.model_fields))


def test_the_database_that_the_readme_checks_is_of_this_version() -> None:
    said = re.sub(r" +", " ", DOCS[ROOT / "README.md"])
    assert f"revision │ {head()} │" in said
    assert f"our tables │ all {len(OUR_TABLES)} are there │" in said


@EVERY
def test_settings_exist(path: Path) -> None:
    known = {*map(variable, Settings.model_fields), *FOR_OTHERS}
    named = set(re.findall(r"\bEMAG_[A-Z_]+\b(?!\*)", DOCS[path]))

    assert {name for name in named if not name.endswith("_")} <= known


def paths(texts: Iterable[str]) -> set[str]:
    """The repository's own files among these texts."""
    own = r"(?:flows|tasks|integrations|migrations|tests|docs|\.ci)/[\w./*-]*"
    alone = r"README\.md|Makefile|prefect\.yaml|pyproject\.toml|requirements\.lock"
    return {text for text in texts if re.fullmatch(f"{own}|{alone}", text)}


@EVERY
def test_files_exist(path: Path) -> None:
    missing = [name for name in paths(inline(path)) if not list(ROOT.glob(name.rstrip("/")))]

    assert not missing


@EVERY
def test_links_lead_somewhere(path: Path) -> None:
    for link in LINK.findall(DOCS[path]):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", target.read_text()), re.MULTILINE)
        assert not anchor or anchor in map(slug, headings), link


@EVERY
def test_tests_that_are_named_exist(path: Path) -> None:
    sources = "\n".join(each.read_text() for each in (ROOT / "tests").rglob("*.py"))
    modules = {each.stem for each in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`[^`]*?\b(test_\w+|Test[A-Z]\w+)(?:\.py)?`", DOCS[path])
    defined = set(re.findall(r"^\s*(?:async def|def|class) (\w+)", sources, re.MULTILINE))

    assert set(named) <= defined | modules


@EVERY
def test_python_in_the_docs_imports_what_exists(path: Path) -> None:
    for text in fences(path, "python"):
        for node in ast.walk(compile(text, path.name, "exec", AST)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)


@EVERY
def test_tables_exist(path: Path, database_url: str) -> None:
    named = set(re.findall(r"\bapp\.(\w+)\b(?!\{)", DOCS[path])) - {"log"}
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace"
            " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'app'::regnamespace"
        )
        there = {name for (name,) in rows}

    a_day = re.compile(r"emag_api_calls_(\d{8}|YYYYMMDD)")
    assert {name for name in named if not a_day.fullmatch(name)} <= there


@EVERY
def test_sql_in_the_docs_runs(path: Path, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for text in fences(path, "sql"):
            for statement in filter(str.strip, text.split(";\n")):
                connection.execute(statement.encode())


def test_the_guides_own_monitoring_sql_runs_verbatim(database_url: str) -> None:
    returns, syncs = VERBATIM
    assert {f"{text};\n" for text in VERBATIM} <= set(fences(ROOT / "docs/guide.md", "sql"))
    with psycopg.connect(database_url) as connection:
        connection.execute("""
            INSERT INTO app.return_requests (return_number, created_at, account_type)
            VALUES ('R-new', now(), 'main'), ('R-old', now() - interval '2 days', 'main')
        """)
        connection.execute("""
            INSERT INTO app.emag_return_integrations
                   (return_request_id, account_type, emag_return_id, emag_status)
            SELECT id, account_type, '4711', '3' FROM app.return_requests
        """)
        connection.execute(
            "INSERT INTO app.emag_offer_syncs (sync_id, status) VALUES ('s1', 'done')"
        )

        assert connection.execute(returns).fetchall() == [("R-new", "4711", "3", None)]
        assert [row[:2] for row in connection.execute(syncs)] == [("s1", "done")]


def test_every_state_and_every_event_is_explained() -> None:
    operations = ROOT / "docs/operations.md"

    assert first_column(ROOT / "README.md", "States") == [
        state for state in first_column(operations, "States") if state in set(State)
    ]
    assert sorted(first_column(operations, "States")) == sorted(State)
    assert all(f"| `{event}` |" in DOCS[operations] for event in Event)


def test_every_timing_stands_with_its_default() -> None:
    text = DOCS[ROOT / "docs/protocol.md"]
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([\d., ]+) \|", text, re.MULTILINE)
    listed = {
        name: float(value)
        for names, values in cells
        for name, value in zip(INLINE.findall(names), values.split(","), strict=True)
    }

    timings = Timings()
    assert listed == {
        **vars(timings),
        "leaves_within": timings.leaves_within,
        "probe_over": timings.probe_over,
        "surely_dead": timings.surely_dead,
    }


def test_every_parameter_of_the_forms_is_explained() -> None:
    text = DOCS[ROOT / "docs/prefect.md"]

    for form in (SyncParameters, HealthParameters, RetentionParameters):
        for name, field in form.model_fields.items():
            default = field.default
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            assert re.search(rf"\| `{name}` \| `?{shown}`? \|", text), name
