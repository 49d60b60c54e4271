"""Targets: measured once, whatever is edited later."""

from __future__ import annotations

from decimal import Decimal

import pytest

from integrations.sync.plan import Reduction
from integrations.sync.reductions import (
    ItemError,
    fingerprint,
    present,
    reached,
    reductions_of,
    touched,
)
from tests.integrations.sync.model import an_item, an_order, raw_line

ORDER = an_order(2, [raw_line(7, 5), raw_line(8, 1), raw_line(9, 3, status=0), raw_line(10, 0)])


def test_a_line_that_is_no_part_of_the_order_has_no_pieces() -> None:
    assert present(ORDER) == {7: 5, 8: 1, 9: 0, 10: 0}


def test_every_line_is_measured_and_the_items_lines_get_targets() -> None:
    targets = reductions_of([an_item("1007", 2)], ORDER, None)
    assert not targets.whole
    assert targets.lines == (
        Reduction(7, 5, 5, 3),
        Reduction(8, 1, 1, 1),
        Reduction(9, 0, 0, 0),
        Reduction(10, 0, 0, 0),
    )
    assert [line.line_id for line in targets.lines if touched(line)] == [7]


def test_without_items_everything_goes() -> None:
    targets = reductions_of([], ORDER, None)
    assert targets.whole
    assert {line.to for line in targets.lines} == {0}
    assert reductions_of([], an_order(2, []), None).whole


def test_unchanged_items_keep_their_targets_whatever_the_order_has_now() -> None:
    items = [an_item("1007", 2)]
    stored = reductions_of(items, ORDER, None)
    for quantity in (5, 3, 1, 0):
        assert reductions_of(items, an_order(2, [raw_line(7, quantity)]), stored) is stored


@pytest.mark.parametrize(("has", "from_"), [(5, 5), (3, 3), (4, 5), (0, 5)])
def test_changed_items_start_from_what_an_earlier_plan_found_or_left(has: int, from_: int) -> None:
    stored = reductions_of([an_item("1007", 2)], ORDER, None)
    order = an_order(2, [raw_line(7, has), raw_line(8, 1)])
    targets = reductions_of([an_item("1007", 4)], order, stored)
    assert targets.lines[0] == Reduction(7, 5, from_, 1)


def test_a_storno_stays_one_when_items_change() -> None:
    stored = reductions_of([an_item("1007", 2)], ORDER, None)
    for storno in (False, True):
        kept = type(stored)(stored.whole, stored.fingerprint, stored.lines, storno)
        assert reductions_of([an_item("1007", 3)], ORDER, kept).storno is storno


def test_targets_are_reached_when_every_touched_line_has_its_own() -> None:
    targets = reductions_of([an_item("1007", 2), an_item("1008", 1)], ORDER, None)
    assert not reached(targets, ORDER)
    assert not reached(targets, an_order(2, [raw_line(7, 3), raw_line(8, 1)]))
    assert reached(targets, an_order(2, [raw_line(7, 3), raw_line(8, 1, status=0)]))
    assert reached(targets, an_order(2, [raw_line(7, 3)]))


def test_an_items_error_names_the_item_and_the_remedy() -> None:
    with pytest.raises(ItemError, match=r'"1007" has the quantity 6.*correct it'):
        reductions_of([an_item("1007", 6)], ORDER, None)
    with pytest.raises(ItemError, match="put the line's id into emag_item_id"):
        reductions_of([an_item("nonsense")], ORDER, None)


class TestFingerprint:
    """Whether the ERP's items have changed."""

    def test_it_ignores_their_order(self) -> None:
        one, two = an_item("1007", 1), an_item(sku="PN-8")
        assert fingerprint([one, two]) == fingerprint([two, one])

    def test_it_sees_every_field_and_every_repetition(self) -> None:
        several = [
            [],
            [an_item("1007")],
            [an_item("1007"), an_item("1007")],
            [an_item("1007", 1)],
            [an_item("1007", 2)],
            [an_item(sku="1007")],
            [an_item(line="1007")],
        ]
        assert len({fingerprint(items) for items in several}) == len(several)

    @pytest.mark.parametrize("quantity", ["NaN", "sNaN", "Infinity", "1E+999999", "-0"])
    def test_any_quantity_has_one(self, quantity: str) -> None:
        item = an_item("\x00\udcff", quantity)
        assert fingerprint([item]) == fingerprint(
            [an_item("\x00\udcff", Decimal(quantity).__str__())]
        )
