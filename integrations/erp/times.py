"""Times that others wrote into the database, as far as Python knows them."""

from __future__ import annotations


def readable_time(column: str) -> str:
    """SQL for a time; null where it is an infinity, before the year 1 or after 9999.

    A day is left at each end, since a time is shown in more than one zone.
    """
    return f"CASE WHEN {column} >= '0001-01-02' AND {column} < '9999-12-31' THEN {column} END"
