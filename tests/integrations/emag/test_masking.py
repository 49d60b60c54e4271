"""Masking: what may be shown of eMAG's texts."""

from __future__ import annotations

import pytest

from integrations.emag.masking import masked, without_secrets


@pytest.mark.parametrize(
    "secret",
    [
        "0700000001",
        "0700 000 001",
        "0700-000-001",
        "(0700) 000 001",
        "+40700000001",
        "+40 700 000 001",
        "0040700000001",
        "+359 88 123 4567",
        "+36 30 123 4567",
        "ioana.exemplu+shop@mail.example.com",
        "RO49AAAA1B31007593840000",
        "RO49 AAAA 1B31 0075 9384 0000",
        "bg80bnbg96611020345678",
        "HU42 1177 3016 1111 1018 0000 0000",
    ],
)
def test_phone_numbers_mail_addresses_and_ibans_are_masked(secret: str) -> None:
    assert masked(f"ERROR: {secret} is not valid - Rma id: 52000077") == (
        "ERROR: *** is not valid - Rma id: 52000077"
    )
    assert masked(f"tel:{secret}, please") == "tel:***, please"


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: please provide the customer name - Rma id: 52000077",
        "ERROR: Order is already in progress.",
        "Order 480000101 was finalized at 2026-03-10 14:21:05",
        "ERROR: 5941234567890 is not a valid EAN. - Product id: 1002",
        "Maximum input vars of 4000 exceeded",
        "ERROR: Invalid vendor ip [203.0.113.7]",
        "the amount 1234567890.50 RON exceeds 0.1900",
    ],
)
def test_all_else_can_be_read(text: str) -> None:
    assert masked(text) == text


def test_a_text_becomes_one_line_of_at_most_300_characters() -> None:
    assert masked("a\n  b\t c ") == "a b c"
    assert masked("x" * 300) == "x" * 300
    assert masked("x" * 301) == "x" * 297 + "..."
    assert masked("y" * 295 + " 0700000001") == "y" * 295 + " ***"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://docs.example/F-1.pdf", "https://docs.example/F-1.pdf"),
        ("https://docs.example:8443/a/F-1.pdf", "https://docs.example:8443/a/F-1.pdf"),
        ("https://erp:Word@docs.example/F-1.pdf", "https://***@docs.example/F-1.pdf"),
        ("ftp://Word@[::1]:21/F-1.pdf", "ftp://***@[::1]:21/F-1.pdf"),
        ("https://docs.example/F-1.pdf?token=Word", "https://docs.example/F-1.pdf?***"),
        ("https://docs.example/F-1.pdf#Word", "https://docs.example/F-1.pdf?***"),
        ("https://docs.example/a?to=Word@b.example", "https://docs.example/a?***"),
        ("https://erp:Wo/rd@docs.example/a?b=Word", "https://***@docs.example/a?***"),
        ("https://erp:W@rd@docs.example/a", "https://***@docs.example/a"),
        ("https://erp:Word?1@docs.example/a", "https://***"),
        ("https://erp:7#Word@docs.example/a", "https://***"),
        ("erp:Word@docs.example/F-1.pdf?Word", "***@docs.example/F-1.pdf?***"),
        ("https:/erp:Word@docs.example/F-1.pdf", "***@docs.example/F-1.pdf"),
        ("F-1.pdf", "F-1.pdf"),
        (r"C:\facturi\F-1.pdf", r"C:\facturi\F-1.pdf"),
    ],
)
def test_an_address_is_shown_without_its_login_and_its_query(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


def test_addresses_in_emags_texts_are_shown_so_too() -> None:
    told = "ERROR: https://erp:Word@docs.example/F-1.pdf?token=Word can't be fetched"
    assert masked(told) == "ERROR: https://***@docs.example/F-1.pdf?*** can't be fetched"
