"""Every reason that a person reads is a sentence: it begins as one, and a full stop ends it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.ledger import changes, queueing
from integrations.sync import (
    documents,
    plan,
    plan_cancellations,
    plan_invoices,
    plan_returns,
    plan_rows,
    reductions,
)

MODULES = (
    changes,
    queueing,
    documents,
    plan,
    plan_cancellations,
    plan_invoices,
    plan_returns,
    plan_rows,
    reductions,
)

# What tells a person why, and the functions that put such a text together.
TELLS = {"Refused", "Waiting", "Withdrawn", "ItemError", "DocumentUnreachableError", "fail"}
WORDS = {"_unexpected"}

# Names that a sentence may begin with as they are written.
NAMES = ("eMAG", "emag_", "pdf_url", "account_type", "refund_status")

IN_SQL = re.compile(r"error_message = CASE(.*?) END", re.DOTALL)
QUOTED = re.compile(r"'([^']*)'")


def sentences(tree: ast.Module) -> Iterator[str]:
    """The reasons in a module's code, with {} for what is put in when they are told."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in TELLS:
                yield from (shown(each) for each in node.args if is_text(each))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "reason":
            yield shown(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name in WORDS:
            returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
            yield from (shown(each) for each in returned if each is not None)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from in_sql(node.value)


def in_sql(query: str) -> Iterator[str]:
    """The reasons that a statement writes by itself."""
    for case in IN_SQL.findall(query):
        if parts := [part for part in QUOTED.findall(case) if " " in part]:
            yield "{}".join(parts)


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def shown(node: ast.expr) -> str:
    """A text as it stands in the code."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    assert isinstance(node, ast.Constant), ast.unparse(node)
    return str(node.value)


def reasons() -> list[str]:
    return [
        reason
        for module in MODULES
        for reason in sentences(ast.parse(Path(str(module.__file__)).read_text()))
    ]


@pytest.mark.parametrize("reason", reasons())
def test_a_reason_is_a_sentence(reason: str) -> None:
    assert reason[0].isupper() or reason.startswith(NAMES)
    assert reason.endswith(".")
    assert not reason.endswith("..")


def test_none_is_overlooked() -> None:
    found = reasons()

    assert len(found) > 35
    assert any(each.startswith("A request about order") for each in found)
    assert any(each.startswith("The row was deleted after a request") for each in found)
    assert any(each.startswith("No account named") for each in found)
