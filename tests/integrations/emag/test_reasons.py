"""Reasons: the ERP's words at eMAG."""

from __future__ import annotations

import pytest

from integrations.emag.reasons import CANCELLATION_REASONS, ERP_REASONS, reason_id


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("customer_request", 24),
        ("payment_failed", 19),
        ("inventory_unavailable", 33),
        ("shipping_delay", 32),
        ("fraud_suspected", 29),
        ("administrative", 31),
        ("other", 34),
        ("OTHER", 34),
        (" other ", 34),
        ("boredom", None),
        ("", None),
        (None, None),
    ],
)
def test_each_word_of_the_erp_has_its_reason(word: str | None, reason: int | None) -> None:
    assert reason_id(word) == reason


def test_the_erps_words_lead_to_reasons_that_emag_has() -> None:
    assert set(ERP_REASONS.values()) <= set(CANCELLATION_REASONS)


def test_emags_reasons_run_to_43_with_the_gap_after_3() -> None:
    assert set(CANCELLATION_REASONS) == {1, 2, 3, *range(15, 44)}


def test_a_seller_can_bring_a_table_of_their_own() -> None:
    assert reason_id("other", {**ERP_REASONS, "other": 21}) == 21
