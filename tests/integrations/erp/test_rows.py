"""What is queued, and what takes a wish back."""

from __future__ import annotations

import pytest

from integrations.erp.rows import CancellationRow, InvoiceRow, Kind, ReturnRow, queued, withdraws

NONSENSE = ["", "nonsense", "APPROVED ", "\x00", "x" * 10_000]


def a_return(status: str) -> ReturnRow:
    return ReturnRow(1, 480000101, "main", status)


def a_cancellation(status: str) -> CancellationRow:
    return CancellationRow(1, 480000101, "main", status)


def an_invoice(status: str) -> InvoiceRow:
    return InvoiceRow(1, 480000101, "main", status)


@pytest.mark.parametrize(
    "status",
    ["pending", "approved", "rejected", "processing", "completed", "cancelled", *NONSENSE],
)
def test_a_return_is_queued_in_every_status_and_never_withdraws(status: str) -> None:
    assert queued(a_return(status), require_approval=True)
    assert not withdraws(a_return(status))


@pytest.mark.parametrize(
    ("status", "freely", "with_approval"),
    [
        ("pending", True, False),
        ("approved", True, True),
        ("rejected", False, False),
        ("processing", False, False),
        ("completed", False, False),
        ("cancelled", False, False),
        *((word, False, False) for word in NONSENSE),
    ],
)
def test_a_cancellation_is_queued_when_pending_or_approved(
    status: str, freely: bool, with_approval: bool
) -> None:
    row = a_cancellation(status)
    assert queued(row, require_approval=False) is freely
    assert queued(row, require_approval=True) is with_approval


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("draft", False),
        ("issued", True),
        ("sent", True),
        ("paid", True),
        ("overdue", True),
        ("cancelled", False),
        ("refunded", False),
        *((word, False) for word in NONSENSE),
    ],
)
def test_an_invoice_is_queued_once_it_is_issued(status: str, expected: bool) -> None:
    assert queued(an_invoice(status), require_approval=False) is expected


@pytest.mark.parametrize("status", ["rejected", "cancelled"])
def test_a_rejected_or_cancelled_cancellation_or_invoice_is_taken_back(status: str) -> None:
    assert withdraws(a_cancellation(status))
    assert withdraws(an_invoice(status))


@pytest.mark.parametrize("status", ["pending", "approved", "processing", "completed", "refunded"])
def test_a_status_that_moved_on_takes_nothing_back(status: str) -> None:
    assert not withdraws(a_cancellation(status))
    assert not withdraws(an_invoice(status))


def test_a_kind_is_the_first_half_of_a_rows_name() -> None:
    assert f"{Kind.RMA}:12" == "rma:12"
