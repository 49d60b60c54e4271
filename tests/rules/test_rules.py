"""Each rule of the way to eMAG has tests that fail once it is taken out.

That they pass with it is shown by the tests themselves, which are part of this suite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SHARED_FOLDER
from tests.rules.nursery import Nursery, open_nursery
from tests.rules.remove_rules import outcomes
from tests.rules.rules import RULES, Rule


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with open_nursery() as nursery:
        yield nursery


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_without_the_rule_its_tests_fail(rule: Rule, template: str, nursery: Nursery) -> None:
    ended = outcomes(nursery, Path(os.environ[SHARED_FOLDER]), rule.tests, rule)
    assert ended == dict.fromkeys(rule.tests, "failed")
