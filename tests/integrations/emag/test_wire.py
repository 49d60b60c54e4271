"""Reading what eMAG sends, in every form in which it has been seen."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from integrations.emag.issued_invoices import IssuedInvoice, read_in_part, read_issued_invoice
from integrations.emag.wire import (
    Attachment,
    OrderLine,
    ReturnLine,
    WireError,
    read_order,
    read_return,
    rows,
)

BUCHAREST = ZoneInfo("Europe/Bucharest")
Sample = Callable[[str], Any]


@pytest.fixture
def raw_order(sample: Sample) -> dict[str, Any]:
    order: dict[str, Any] = sample("order_read")["results"][0]
    return order


@pytest.fixture
def raw_return(sample: Sample) -> dict[str, Any]:
    ret: dict[str, Any] = sample("rma_read")["results"][0]
    return ret


def smallest_order(**other: Any) -> dict[str, Any]:
    return {"id": 5, "type": 3, "status": 2, **other}


def line(**other: Any) -> dict[str, Any]:
    return {"id": 7, "product_id": "1001", "status": 1, "quantity": 2, **other}


def test_an_order_as_documented(raw_order: dict[str, Any]) -> None:
    order = read_order(raw_order, BUCHAREST)
    assert (order.id, order.type, order.status) == (480000101, 3, 1)
    assert (order.payment_mode_id, order.is_card) == (3, True)
    assert order.finalization_date is None
    assert order.modified == datetime(2026, 3, 10, 12, 21, 7, tzinfo=UTC)
    assert order.lines[1] == OrderLine(
        id=700000002,
        product_id="1002",
        mkt_id="650000002",
        part_number="SUC-1L",
        ext_part_number="SUC-1L",
        status=1,
        quantity=1,
    )
    assert order.attachments == ()
    assert (order.cancellation_request, order.reason_cancellation) == (None, None)
    assert order.raw == raw_order


def test_a_return_as_seen_in_2024(raw_return: dict[str, Any]) -> None:
    ret = read_return(raw_return, BUCHAREST)
    assert (ret.emag_id, ret.order_id, ret.type, ret.status) == (52000077, 480000101, 3, 6)
    assert ret.lines == (ReturnLine(61000011, "1001", "650000001", 1),)
    assert ret.date == datetime(2026, 3, 18, 7, 12, 40, tzinfo=UTC)
    assert ret.raw == raw_return


def test_a_return_as_documented_in_2017_which_has_no_type(sample: Sample) -> None:
    ret = read_return(sample("rma_read_2017_official_shape")["results"][0], BUCHAREST)
    assert (ret.emag_id, ret.order_id, ret.type, ret.status) == (289001, 480000101, 3, 6)
    assert ret.lines == (ReturnLine(1001, "1000", "1000", 1),)


def test_an_invoice_that_emag_issued_in_the_sellers_name(sample: Sample) -> None:
    [row] = rows(sample("customer_invoice_read")["results"])
    assert read_issued_invoice(row) == IssuedInvoice(
        number="EXF100010",
        order_id=480000101,
        category="storno",
        date=date(2026, 2, 28),
        reversal_for="EXF100001",
        is_storno=True,
    )


def test_an_invoice_for_emags_commission(sample: Sample) -> None:
    [row] = rows(sample("invoice_read")["results"])
    invoice = read_issued_invoice(row)
    assert (invoice.number, invoice.category, invoice.order_id) == ("C-MKTP-900001", "fc", None)
    assert not invoice.is_storno


@pytest.mark.parametrize(
    ("is_storno", "category", "read"),
    [
        (1, None, ("storno", True)),
        ("1", None, ("storno", True)),
        (True, None, ("storno", True)),
        (0, None, ("normal", False)),
        (None, "Storno", ("storno", True)),
        ("0", "normal", ("normal", False)),
        ([], "normal", ("normal", False)),
    ],
)
def test_whether_an_invoice_is_a_storno(
    is_storno: object, category: object, read: tuple[str, bool]
) -> None:
    invoice = read_issued_invoice({"number": 17, "is_storno": is_storno, "category": category})
    assert invoice.number == "17"
    assert (invoice.category, invoice.is_storno) == read


@pytest.mark.parametrize("five", [5, "5", " 5 ", 5.0, "5.0", "5.0000"])
def test_numbers_may_come_as_text_or_with_a_fraction_of_zero(five: object) -> None:
    order = read_order(
        {
            "id": five,
            "type": "3",
            "status": "2",
            "payment_mode_id": "1",
            "products": [line(id=five, quantity=five)],
        },
        BUCHAREST,
    )
    assert (order.id, order.type, order.status, order.payment_mode_id) == (5, 3, 2, 1)
    assert (order.lines[0].id, order.lines[0].quantity) == (5, 5)


@pytest.mark.parametrize("number", [2**31, 4294967295, 2**53 + 1, "9223372036854775807"])
def test_ids_may_be_huge(number: object) -> None:
    assert read_order(smallest_order(id=number), BUCHAREST).id == int(str(number))


@pytest.mark.parametrize(
    ("given", "read"),
    [("1001", "1001"), (1001, "1001"), (1001.0, "1001"), ("A-7", "A-7"), ("", None), (None, None)],
)
def test_a_product_id_is_a_text_whatever_it_came_as(given: object, read: str | None) -> None:
    order = read_order(smallest_order(products=[line(product_id=given)]), BUCHAREST)
    ret = read_return(
        {"emag_id": 1, "request_status": 2, "products": [line(product_id=given)]}, BUCHAREST
    )
    assert order.lines[0].product_id == ret.lines[0].product_id == read


@pytest.mark.parametrize("nothing", [None, [], {}, ""])
def test_php_empties_stand_for_nothing_everywhere(
    nothing: object, raw_order: dict[str, Any], raw_return: dict[str, Any]
) -> None:
    needed = {"id", "type", "status", "emag_id", "request_status"}
    order = read_order(
        {key: value if key in needed else nothing for key, value in raw_order.items()}, BUCHAREST
    )
    assert (order.lines, order.attachments, order.modified) == ((), (), None)
    assert (order.payment_mode_id, order.is_card) == (None, False)
    assert (order.cancellation_request, order.reason_cancellation) == (None, None)
    ret = read_return(
        {key: value if key in needed else nothing for key, value in raw_return.items()}, BUCHAREST
    )
    assert (ret.lines, ret.order_id, ret.date) == ((), None, None)


@pytest.mark.parametrize(
    "products",
    [
        [line(id=1), None, [], line(id=2)],
        {"0": line(id=1), "2": line(id=2)},
        [line(id="1"), line(id="2")],
    ],
    ids=["holes in the list", "numbered keys", "text ids"],
)
def test_lines_may_come_as_a_list_or_as_an_object_with_numbered_keys(products: object) -> None:
    order = read_order(smallest_order(products=products), BUCHAREST)
    assert [each.id for each in order.lines] == [1, 2]


def test_a_single_line_may_come_without_its_list() -> None:
    assert len(read_order(smallest_order(products=line()), BUCHAREST).lines) == 1


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"id": None}, None),
        ({"id": 24, "name": "Solicitat de client"}, 24),
        ({"id": "24"}, 24),
        (24, 24),
        ("24", 24),
    ],
)
def test_a_cancellation_reason_is_read_in_all_its_forms(reason: object, read: int | None) -> None:
    order = read_order(smallest_order(reason_cancellation=reason), BUCHAREST)
    assert order.reason_cancellation == read


def test_a_cancellation_request_is_the_time_at_which_the_customer_asked() -> None:
    order = read_order(smallest_order(cancellation_request="2026-03-11 10:00:00"), BUCHAREST)
    assert order.cancellation_request == "2026-03-11 10:00:00"


@pytest.mark.parametrize(
    ("mode_id", "mode", "is_card"),
    [
        (3, "CARD online", True),
        ("3", None, True),
        (1, "RAMBURS", False),
        (1, "CARD online", False),
        (None, "CARD online", True),
        (None, "RAMBURS", False),
        ([], [], False),
    ],
)
def test_a_card_order_is_known_by_its_mode_or_its_text(
    mode_id: object, mode: object, is_card: bool
) -> None:
    order = read_order(smallest_order(payment_mode_id=mode_id, payment_mode=mode), BUCHAREST)
    assert order.is_card is is_card


def test_the_windows_start_at_the_finalization_or_else_at_the_last_change() -> None:
    times = {"finalization_date": "2026-03-01 10:00:00", "modified": "2026-03-05 10:00:00"}
    assert read_order(smallest_order(**times), BUCHAREST).finalized_at == datetime(
        2026, 3, 1, 8, tzinfo=UTC
    )
    times["finalization_date"] = ""
    assert read_order(smallest_order(**times), BUCHAREST).finalized_at == datetime(
        2026, 3, 5, 8, tzinfo=UTC
    )
    assert read_order(smallest_order(), BUCHAREST).finalized_at is None


@pytest.mark.parametrize(
    ("status", "quantity", "active"), [(1, 1, True), (1, 0, False), (0, 3, False), ("0", 3, False)]
)
def test_a_line_is_active_while_it_has_a_status_and_a_quantity(
    status: object, quantity: object, active: bool
) -> None:
    order = read_order(smallest_order(products=[line(status=status, quantity=quantity)]), BUCHAREST)
    assert order.lines[0].active is active


def test_a_removed_line_needs_no_quantity() -> None:
    order = read_order(smallest_order(products=[line(status=0, quantity=None)]), BUCHAREST)
    assert order.lines[0].quantity == 0


def test_attachments_without_an_address_are_none_and_without_a_type_are_invoices() -> None:
    attached = [
        {"name": "Factura EX 1", "url": "https://f.example/1.pdf", "type": 1},
        {"name": None, "url": "https://f.example/2.pdf"},
        {"name": "AWB", "url": "https://f.example/3.pdf", "type": "10"},
        {"name": "lost", "url": None, "type": 1},
        None,
    ]
    order = read_order(smallest_order(attachments=attached), BUCHAREST)
    assert order.attachments == (
        Attachment("Factura EX 1", "https://f.example/1.pdf", 1),
        Attachment("", "https://f.example/2.pdf", 1),
        Attachment("AWB", "https://f.example/3.pdf", 10),
    )


def test_an_fbe_return_keeps_its_type() -> None:
    assert read_return({"emag_id": 1, "request_status": 2, "type": "2"}, BUCHAREST).type == 2


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (None, "shape"),
        ([], "shape"),
        ({"type": 3, "status": 2}, "id"),
        (smallest_order(id="abc"), "id"),
        (smallest_order(id=True), "id"),
        (smallest_order(id=5.5), "id"),
        (smallest_order(id=1e300), "id"),
        (smallest_order(type=None), "type"),
        (smallest_order(status=[]), "status"),
        (smallest_order(products=["?"]), "product line"),
        (smallest_order(products=[line(id=None)]), "product line's id"),
        (smallest_order(products=[line(status=None)]), "product line's status"),
        (smallest_order(products=[line(quantity=None)]), "product line's quantity"),
        (smallest_order(products=[line(quantity="1.5")]), "product line's quantity"),
        (smallest_order(products=[line(quantity="9" * 5000)]), "product line's quantity"),
    ],
)
def test_an_order_without_what_decides_is_an_error_that_names_the_field(
    raw: object, field: str
) -> None:
    with pytest.raises(WireError) as caught:
        read_order(raw, BUCHAREST)
    assert (caught.value.entity, caught.value.field) == ("order", field)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("", "shape"),
        ({"request_status": 2}, "emag_id"),
        ({"emag_id": 1}, "request_status"),
        ({"emag_id": 1, "request_status": 2, "type": "x"}, "type"),
        ({"emag_id": 1, "request_status": 2, "products": [{"id": 1}]}, "product line's quantity"),
    ],
)
def test_a_return_without_what_decides_is_an_error_that_names_the_field(
    raw: object, field: str
) -> None:
    with pytest.raises(WireError) as caught:
        read_return(raw, BUCHAREST)
    assert (caught.value.entity, caught.value.field) == ("return", field)


@pytest.mark.parametrize("blank", [None, "", " ", [], {}])
def test_an_invoice_that_names_no_order_is_of_none(blank: object) -> None:
    assert read_issued_invoice({"number": "EXF1", "order_id": blank}).order_id is None


@pytest.mark.parametrize(
    ("order_id", "read_of_it"),
    [
        ({"id": 480000101}, 480000101),
        ([480000101, 480000101], 480000101),
        ("RO480000101", 480000101),
        (480000101.5, 480000101),
        ([480000101, 480000102], None),
        ({"id": 5}, None),
        ("RO" + "1" * 30, None),
    ],
)
def test_an_invoice_whose_order_cannot_be_read_is_an_error_that_names_it(
    order_id: object, read_of_it: int | None
) -> None:
    raw = {"number": "EXF1", "order_id": order_id, "category": "storno", "date": "2026-11-20"}
    with pytest.raises(WireError, match="eMAG's invoice EXF1 has an unusable order_id") as caught:
        read_issued_invoice(raw)
    read = read_in_part(raw, caught.value)
    assert read is not None
    assert (read.number, read.order_id, read.category) == ("EXF1", read_of_it, "storno")
    assert (read.date, read.problem) == (date(2026, 11, 20), str(caught.value))


@pytest.mark.parametrize("order_id", [True, "x", ["none"], {"id": None}])
def test_what_holds_no_digit_names_no_order(order_id: object) -> None:
    raw = {"number": "EXF1", "order_id": order_id}
    with pytest.raises(WireError) as caught:
        read_issued_invoice(raw)
    read = read_in_part(raw, caught.value)
    assert read is not None
    assert (read.order_id, read.problem) == (None, None)


def test_an_invoice_without_a_number_is_kept_for_its_order_alone() -> None:
    error = WireError("invoice", None, "number", "None")
    first, again, other = (
        read_in_part({"number": None, "order_id": order_id}, error) for order_id in (5, 5, 6)
    )
    assert first == again
    assert first is not None
    assert other is not None
    assert first.order_id == 5
    assert first.number != other.number
    assert read_in_part({"number": None, "order_id": []}, error) is None


@pytest.mark.parametrize("raw", [None, {}, {"number": ""}, {"number": []}])
def test_an_invoice_without_a_number_is_an_error(raw: object) -> None:
    with pytest.raises(WireError):
        read_issued_invoice(raw)


def test_an_error_says_which_entity_it_is_about_and_survives_pickling() -> None:
    with pytest.raises(WireError) as caught:
        read_order(smallest_order(status="12,5"), BUCHAREST)
    said = "eMAG's order 5 has an unusable status: '12,5'"
    assert str(caught.value) == said
    assert str(pickle.loads(pickle.dumps(caught.value))) == said  # noqa: S301


@pytest.mark.parametrize("value", ["Ioana Exemplu", ["Ioana Exemplu"], {"name": "Ioana Exemplu"}])
def test_an_error_never_repeats_what_could_be_a_customers(value: object) -> None:
    with pytest.raises(WireError) as caught:
        read_order(smallest_order(status=value), BUCHAREST)
    assert "Ioana" not in str(caught.value) + repr(caught.value)


def test_no_customers_data_shows_when_an_order_or_return_is_printed(
    raw_order: dict[str, Any], raw_return: dict[str, Any]
) -> None:
    printed = repr(read_order(raw_order, BUCHAREST)) + repr(read_return(raw_return, BUCHAREST))
    assert "Ioana" not in printed
    assert "0700000001" not in printed


@pytest.mark.parametrize(
    ("results", "found"),
    [
        (None, []),
        ([], []),
        ({}, []),
        ([None], []),
        ([[]], []),
        ("Campaign proposals successfully saved", []),
        ([{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 2}]),
        ([[{"id": 1}], [{"id": 2}]], [{"id": 1}, {"id": 2}]),
        ({"0": {"id": 1}, "5": {"id": 2}}, [{"id": 1}, {"id": 2}]),
        ({"emag_id": 1}, [{"emag_id": 1}]),
        ([{"id": 1, "invoices": []}], [{"id": 1, "invoices": []}]),
        ({"total_results": 0, "invoices": []}, []),
        ({"total_results": "1", "invoices": [{"number": "A"}]}, [{"number": "A"}]),
        ({"total_results": 1, "invoices": {"0": {"number": "A"}}}, [{"number": "A"}]),
    ],
)
def test_rows_are_found_however_they_are_nested(results: object, found: list[Any]) -> None:
    assert rows(results) == found
