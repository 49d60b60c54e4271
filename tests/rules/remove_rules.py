"""Take the rules of the way to eMAG out, one by one, and see which tests notice.

    python -m tests.rules.remove_rules [WORD ...]

Prints a table of the rules whose names hold one of the words, or of all: each rule's tests, as they
end with it and without it. Exits with 1 if a test fails with the rule or passes without it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from integrations.embedded import embedded
from tests.conftest import SHARED_FOLDER, THROWAWAY
from tests.rules import removing
from tests.rules.nursery import Nursery, open_nursery
from tests.rules.rules import RULES, Rule

# A rule without which a test would wait for ever is noticed by that.
MOST_SECONDS = 120.0
STANDS_STILL = "stands still"

# Only outcomes count: what explains a failure, and plugins that these tests don't use, cost as much
# as the tests.
BARE = [
    *("--override-ini", "addopts=--import-mode=importlib"),
    "--assert=plain",
    *("-p", "no:xdist"),
    *("-p", "no:cacheprovider"),
    *("-p", "no:schemathesis"),
    *("-p", "no:hypothesispytest"),
]


def outcomes(
    nursery: Nursery, folder: Path, tests: Sequence[str], removed: Rule | None
) -> Mapping[str, str]:
    """How tests end, in a process of their own, without a rule; on the PostgreSQL of a folder."""
    name = uuid4().hex
    found, log = folder / f"outcomes-{name}.json", folder / f"outcomes-{name}.log"
    environment = {
        SHARED_FOLDER: str(folder),
        removing.REMOVED: removed.name if removed else "",
        removing.OUTCOMES: str(found),
    }
    arguments = ["-q", f"--basetemp={folder / name}", "-p", removing.__name__, *BARE, *tests]
    if not nursery.run(arguments, environment, log, MOST_SECONDS):
        return dict.fromkeys(tests, STANDS_STILL)
    if not found.exists():
        raise RuntimeError(f"pytest did not run:\n{log.read_text()[-4000:]}")
    ended = json.loads(found.read_text())
    return {test: ended.get(test, "not found") for test in tests}


def main() -> int:
    """Take out the chosen rules and print what happens."""
    words = sys.argv[1:]
    rules = [rule for rule in RULES if not words or any(word in rule.name for word in words)]
    table = Table("rule", Column("test", overflow="fold"), "with it", "without it")
    with tempfile.TemporaryDirectory(prefix="emag-rules-") as name:
        folder = Path(name)
        with embedded(folder / "pg", **THROWAWAY), open_nursery() as nursery:
            kept = outcomes(
                nursery, folder, sorted({test for rule in rules for test in rule.tests}), None
            )
            proved = [_shown(table, nursery, folder, rule, kept) for rule in rules]
    Console().print(table)
    return 0 if all(proved) else 1


def _shown(
    table: Table, nursery: Nursery, folder: Path, rule: Rule, kept: Mapping[str, str]
) -> bool:
    """Add a rule to the table; whether its tests pass with it and fail without it."""
    removed = outcomes(nursery, folder, rule.tests, rule)
    for number, test in enumerate(rule.tests):
        name = escape(test.rpartition("::")[2])
        table.add_row("" if number else rule.name, name, kept[test], removed[test])
    return all((kept[test], removed[test]) == ("passed", "failed") for test in rule.tests)


if __name__ == "__main__":
    sys.exit(main())
