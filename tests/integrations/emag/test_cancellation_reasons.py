"""Why eMAG says that an order was cancelled, in the ERP's words."""

from __future__ import annotations

import pytest

from integrations.emag.cancellation_reasons import ERP_WORDS, describe_reason, erp_word
from integrations.emag.reasons import CANCELLATION_REASONS, ERP_REASONS


def test_every_reason_of_emags_has_a_word_of_the_erps() -> None:
    assert ERP_WORDS.keys() == CANCELLATION_REASONS.keys()
    assert set(ERP_WORDS.values()) <= ERP_REASONS.keys()


@pytest.mark.parametrize("word", ERP_REASONS)
def test_what_the_erp_says_comes_back_as_the_same_word(word: str) -> None:
    assert erp_word(ERP_REASONS[word]) == word


def test_a_sellers_own_reason_comes_back_as_the_sellers_word() -> None:
    own = {**ERP_REASONS, "fraud_suspected": 21}
    assert erp_word(21, own) == "fraud_suspected"


def test_of_two_words_for_one_reason_the_usual_one_comes_back() -> None:
    own = {**ERP_REASONS, "other": 24}
    assert erp_word(24, own) == "customer_request"


@pytest.mark.parametrize("reason", [None, 0, 44])
def test_what_is_no_documented_reason_is_another(reason: int | None) -> None:
    assert erp_word(reason) == "other"


def test_a_description_keeps_emags_number() -> None:
    assert describe_reason(24) == "eMAG 24: by the customer's request"
    assert describe_reason(44) == "eMAG 44: a reason that is not documented"
    assert describe_reason(None) == "eMAG gave no reason"
