"""Why customers give goods back: eMAG's reasons in the words of the ERP.

eMAG has a tree of three levels and sends the deepest number (API facts: RMA object). The words are
given for its first level and, where a branch means something else, for the branch: what arrived
was not what was ordered, or the parcel was damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

OTHER: Final = "other"


def _expanded(table: Mapping[str, Iterable[int | range]]) -> Mapping[int, str]:
    words: dict[int, str] = {}
    for word, numbers in table.items():
        for each in numbers:
            words.update(dict.fromkeys(each if isinstance(each, range) else (each,), word))
    return MappingProxyType(words)


ERP_RETURN_REASONS: Final = _expanded(
    {
        # 30 and 31 changed their mind, 34 size, 35 expectations, 38 several sizes, 175 how it works
        "customer_dissatisfaction": (
            *(30, 31, 34, 35, 38, 42, 49, 55, 57, 58, 111, 120, 121, 190, 200, 201, 210, 211),
            *(range(44, 47), range(51, 53), range(60, 68), range(93, 96), range(98, 107)),
            *(range(136, 144), range(157, 162), range(173, 180), range(214, 223)),
        ),
        # 36 and 48 not as described, 39, 43 and 50 another product, 59 another size
        "wrong_item": (
            *(36, 39, 43, 48, 50, 59, 172),
            *(range(68, 74), range(150, 156), range(202, 204)),
        ),
        # 32 not working, 37 defective or incomplete, 47 parts missing, 167 worn or stained
        "defective_product": (
            *(32, 37, 47, 54, 91, 92, 122, 130, 133, 185, 187, 189, 212, 213),
            *(range(74, 90), range(112, 119), range(124, 128), range(144, 150)),
            *(range(162, 164), range(166, 172), range(180, 184), range(191, 200)),
            range(204, 210),
        ),
        # 40 damaged parcel; 53, 90 and 186 hit or broken, unless the packaging was intact
        "damaged_in_transit": (*(40, 53, 90, 96, 97, 123, 128, 129, 131, 132, 184, 186, 188),),
        # 134 a gift, 135 not said
        OTHER: (134, 135),
    }
)
"""The ERP's word for each of eMAG's numbers; `late_delivery` is none of eMAG's reasons."""


def return_reason(number: int | None) -> str:
    """The ERP's word for a reason; `other` for one that is not in eMAG's tree."""
    return ERP_RETURN_REASONS.get(number or 0, OTHER)
