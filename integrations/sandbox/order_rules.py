"""What order/save refuses (API facts, Statuses and matrix; order/save; Cancelling; Storno)."""

from __future__ import annotations

from integrations.sandbox.clock import age
from integrations.sandbox.exchange import RefusalError
from integrations.sandbox.matrices import ORDER_MOVES, Within, length
from integrations.sandbox.order_changes import Changes, sent_lines
from integrations.sandbox.reasons import CANCELLATION_REASONS
from integrations.sandbox.rendering import UNFORESEEN_LINE, UNFORESEEN_ORDER, shown_order
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json, whole

CARD = 3


def check_move(market: State, order: Json, to: int | None) -> int:
    """The status asked for, if matrix and windows allow it. Raises RefusalError."""
    was = order["status"]
    window = None if to is None else ORDER_MOVES[was].get(to)
    if was == to == 5 and market.switches.returned_resave:
        window = Within.ALWAYS
    if to is None or window is None:
        raise RefusalError("matrix", f"Status can not be changed from {was} to {to}")
    check_window(market, order, window)
    return to


def check_window(market: State, order: Json, window: Within) -> None:
    """Refuse what comes too late after the finalization (or, lacking one, the last change)."""
    longest = length(window, market.switches.return_window_days)
    since = order["finalization_date"] or order["modified"]
    zone = market.switches.platform.zone
    if longest is not None and age(since, market.now(), zone) > longest:
        raise RefusalError("window", f"The order can be changed only within {window.value}")


def check_all_fields(market: State, order: Json, item: Json, *, by_form: bool) -> None:
    """A seller has to send every field that was read, foreseen or not. Raises RefusalError."""
    shown = shown_order(order, market.switches)
    unforeseen = market.switches.unknown_fields
    _check_keys(shown, item, by_form=by_form)
    if isinstance(item.get("customer"), dict):
        _check_keys(shown["customer"], item["customer"], by_form=by_form)
    if unforeseen and not by_form:
        _check_unchanged(UNFORESEEN_ORDER, item)
    read = {line["id"]: line for line in order["products"]}
    for sent in sent_lines(item):
        line = read.get(whole(sent.get("id")) or 0)
        if line is None:
            continue
        _check_keys(line, sent, by_form=by_form)
        if unforeseen and not by_form:
            _check_unchanged(UNFORESEEN_LINE, sent)


def check_reason_shape(market: State, item: Json) -> None:
    """The reason is saved as a number; the object that is read may be refused (Quirks, 28)."""
    sent = item.get("reason_cancellation")
    named = isinstance(sent, dict) and sent.get("id") is not None
    if named and not market.switches.echo_reason_object:
        raise RefusalError("rule", "Field reason_cancellation must be a number")


def reason_asked(market: State, order: Json, sent: object) -> int | None:
    """The reason's id; None where an order is cancelled already, or none is needed."""
    reason = whole(sent.get("id") if isinstance(sent, dict) else sent)
    if reason is None:
        if order["status"] == 0 or not market.switches.reason_required:
            return None
        raise RefusalError("rule", "Field reason_cancellation is needed to cancel")
    if reason not in CANCELLATION_REASONS:
        raise RefusalError("rule", f"Unknown reason_cancellation {reason}")
    return reason


def check_changes(market: State, order: Json, changes: Changes, *, to: int, storno: bool) -> None:
    """Refuse changes of lines that the order's status or payment forbids."""
    was = order["status"]
    if to == 5:
        return  # everything comes back, whatever is said about single lines
    if storno:
        _check_storno(market, order, changes, to)
    elif changes and was == 4:
        raise RefusalError("rule", "A finalized order can be changed only by storno")
    elif changes and was not in (2, 3):
        raise RefusalError("rule", "Only orders in progress or prepared can be edited")
    elif order["payment_mode_id"] == CARD and any(each.reduces for each in changes.lines):
        raise RefusalError("rule", "Orders paid by card can not have fewer products")


def _check_storno(market: State, order: Json, changes: Changes, to: int) -> None:
    if order["status"] != 4 or to != 4:
        raise RefusalError("rule", "A partial storno keeps a finalized order finalized")
    if not changes.lines:
        raise RefusalError("rule", "Storno without any lower quantity")
    if changes.added or not all(each.reduces for each in changes.lines):
        raise RefusalError("rule", "Storno can only lower quantities")
    if order["payment_mode_id"] == CARD and not market.switches.card_partial_storno:
        raise RefusalError("rule", "Orders paid by card can not be returned in part")
    check_window(market, order, Within.RETURN_TIME)


def _check_keys(read: Json, sent: Json, *, by_form: bool) -> None:
    for key, value in read.items():
        # null and empty lists can't be said in a form
        if key not in sent and not (by_form and value in (None, [], {})):
            raise RefusalError("rule", f"Field {key} is missing: send all fields that were read")


def _check_unchanged(read: Json, sent: Json) -> None:
    for key, value in read.items():
        if sent.get(key) != value:
            raise RefusalError("rule", f"Field {key} can not be changed")
