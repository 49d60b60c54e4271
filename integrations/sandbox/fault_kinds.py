"""The kinds of faults: where in a request each may strike, and on which routes."""

from __future__ import annotations

from typing import Literal

Point = Literal["before_effect", "during_effect", "after_effect"]

_EITHER: tuple[Point, ...] = ("before_effect", "after_effect")
_BEFORE: tuple[Point, ...] = ("before_effect",)
_DURING: tuple[Point, ...] = ("during_effect",)
_AFTER: tuple[Point, ...] = ("after_effect",)

SERVER_ERRORS = (500, 502, 503, 504, 511)

# kind: the points at which it may strike; the first is the default
KINDS: dict[str, tuple[Point, ...]] = {
    "reset": _EITHER,  # connection closed without an answer
    "timeout": _EITHER,  # connection held open without an answer until the client gives up
    **{f"http_{status}_json": _EITHER for status in SERVER_ERRORS},
    **{f"http_{status}_html": _EITHER for status in SERVER_ERRORS},
    "empty_body": _EITHER,  # 200 and nothing
    "garbage_body": _EITHER,  # 200 and bytes that are neither JSON nor text
    "cut_body": _AFTER,  # half of the JSON
    "error_although_applied": _AFTER,  # isError true, yet all was done
    "locked": _BEFORE,  # "Resource locked for processing"
    "throttle": _BEFORE,  # 429 although below the limit
    "throttle_retry_after": _BEFORE,  # the same, with Retry-After: `seconds`
    "forbidden": _BEFORE,  # 403 although the credentials are right
    "address_refused": _BEFORE,  # "Invalid vendor ip"
    "slow": _EITHER,  # `seconds` of waiting
    "stale": _DURING,  # a read shows the state of `seconds` or `effects` ago
    "half_then_reset": _DURING,  # the first half of a lot is applied, then the connection is lost
    "half_then_500": _DURING,  # the same, then 500
    "half_then_error": _DURING,  # the same, then isError that names the first of the other half
    "one_refused": _DURING,  # all but the last of a lot are applied, isError names that one
}

SAVES = ("order/save", "order/attachments/save", "rma/save")
READS_OF_RECORDS = (
    "order/read",
    "order/count",
    "order/attachments/read",
    "rma/read",
    "rma/count",
)

# kind: the only routes on which it makes sense
ROUTES_OF: dict[str, tuple[str, ...]] = {
    "stale": READS_OF_RECORDS,
    **dict.fromkeys(("half_then_reset", "half_then_500", "half_then_error", "one_refused"), SAVES),
}

# The kinds for which `seconds` means something
TIMED = frozenset({"slow", "stale", "throttle_retry_after"})
