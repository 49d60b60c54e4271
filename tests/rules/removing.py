"""A pytest plugin: a run of named tests without one of the rules, on somebody else's PostgreSQL.

    REMOVED_RULE=... TEST_OUTCOMES=FILE python -m pytest -p tests.rules.removing TEST ...

The rule is taken out of its module's source as the module is imported; nothing is written beside
the outcomes, a JSON object from test to "passed", "failed" or "error".
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.rules.rules import RULES, Rule

REMOVED = "REMOVED_RULE"
OUTCOMES = "TEST_OUTCOMES"

_outcomes: dict[str, str] = {}


class _Loader(SourceFileLoader):
    """Loads a module as it would be without a rule."""

    def __init__(self, name: str, path: str, rule: Rule) -> None:
        super().__init__(name, path)
        self._rule = rule

    def get_code(self, fullname: str) -> CodeType:
        source = self._rule.removed_from(self.get_source(fullname) or "")
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds the module that a rule is taken out of, before anybody else does."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._rule.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._rule)
        return spec


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Join the session that started this: its PostgreSQL and its folder are not ours to clear."""
    early_config.workerinput = {"workerid": "rules"}  # type: ignore[attr-defined]
    name = os.environ.get(REMOVED)
    if name:
        rule = next(rule for rule in RULES if rule.name == name)
        assert rule.module not in sys.modules
        sys.meta_path.insert(0, _Finder(rule))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failure of a test's fixtures at its end counts, too: they look for what is forbidden."""
    if report.when == "setup":
        _outcomes[report.nodeid] = "passed" if report.passed else "error"
    elif report.failed:
        _outcomes[report.nodeid] = "failed"


def pytest_sessionfinish() -> None:
    Path(os.environ[OUTCOMES]).write_text(json.dumps(_outcomes))
