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
        "40722911733",
        "40 722 911 733",
        "40-722-911-733",
        "40722 911 733",
        "40 21 312 34 56",
        "0722\N{EN DASH}911\N{EN DASH}733",
        "(021) 312\N{NON-BREAKING HYPHEN}3456",
        "359887123456",
        "359 88 712 3456",
        "359 2 987 65 43",
        "0887123456",
        "36301234567",
        "36 1 234 5678",
        "06301234567",
        "ioana.exemplu+shop@mail.example.com",
        "RO49AAAA1B31007593840000",
        "RO49 AAAA 1B31 0075 9384 0000",
        "RO49-AAAA-1B31-0075-9384-0000",
        "RO49\N{EN DASH}AAAA\N{EN DASH}1B31\N{EN DASH}0075\N{EN DASH}9384\N{EN DASH}0000",
        "ro49 aaaa 1b31 0075 9384 0000",
        "bg80bnbg96611020345678",
        "bg80 bnbg 9661 1020 3456 78",
        "HU42 1177 3016 1111 1018 0000 0000",
        "hu42-11773016-11111018-00000000",
        "de89 3704 0044 0532 0130 00",
        "NO93 8601 1117 947",
        "Basic c2VsbGVyOnNlY3JldA==",
        "bearer eyJhbGciOi.eyJzdWIi.c2ln",
    ],
)
def test_phone_numbers_mail_addresses_ibans_and_credentials_are_masked(secret: str) -> None:
    assert masked(f"ERROR: {secret} is not valid - Rma id: 52000077") == (
        "ERROR: *** is not valid - Rma id: 52000077"
    )
    assert masked(f"tel:{secret}, please") == "tel:***, please"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("id0722911733", "id***"),
        ("tel.0722911733", "tel.***"),
        ("phone40722911733_x", "phone***_x"),
        ("0722911733,0733911733", "***,***"),
        ("iban:RO49AAAA1B31007593840000_x", "iban:***_x"),
        ("ibanRO49AAAA1B31007593840000", "iban***"),
        ("ro49 aaaa 1b31 0075 9384 0000 that is theirs", "*** that is theirs"),
        ("Authorization: Basic c2VsbGVyOnNlY3JldA==, 403", "Authorization: ***, 403"),
    ],
)
def test_what_is_written_close_to_them_stays(text: str, shown: str) -> None:
    assert masked(text) == shown


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
        "40722911733.50 RON and 36301234567,5 HUF",
        "orders 480000101 480000102, 402123456 12 lines, 4294967295 3630123456",
        "order 407123456 10-03-2026 10:15, 40 of order 300000101",
        "02.03.2026 10:15, 05/03/2026 09:00, 2026-02-03 04:05:06",
        "4023456789012 3591234567890 036000291452 05941234567890",
        "sizes 36 38 40 42 44 46",
        "ERROR: Invalid vendor ip [40.210.123.123]",
        "AWB 4EMGLN0212345678001, PNK D5DD9BMBM, part CANA-350 AB12-CDEF-3456",
        "ro12 is not a category, basic information is missing, Basic Information",
        "7e1c2f6a-08c1-4c1e-9c3e-0723456789ab",
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
