"""The story of an order or a return on one screen, and where our rows about it stand now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console

from flows.cli.console import console, print_json, table
from integrations.ledger.engine import Engine
from integrations.ledger.history import PastCall, Standing, Wanted, read_standing, read_story
from integrations.ledger.sealing import Kept, sealer_of
from integrations.ledger.story import Told, tell
from integrations.settings import Settings


async def show_story(
    settings: Settings, engine: Engine, wanted: Wanted, most: int, as_json: bool
) -> None:
    """Print the calls about it, oldest first, and our rows."""
    calls = await read_story(engine, wanted, most=most)
    sealer = sealer_of(settings.calls_keys)
    told = [tell(call, wanted, sealer) for call in calls]
    if as_json:
        print_json([_object(*pair) for pair in zip(calls, told, strict=True)])
        return
    platforms = {account.platform for account in settings.accounts.values()}
    platforms |= {call.platform for call in calls}
    standing = await read_standing(engine, wanted, platforms)
    screen = console()
    _show_calls(screen, wanted, told)
    if len(calls) == most:
        screen.print(_left_out(calls))
    _show_rows(screen, standing)


def _left_out(calls: Sequence[PastCall]) -> str:
    """What may be missing from as many calls as were asked for."""
    if all(call.writes for call in calls):
        return f"There may be more: these are the newest {len(calls)} writes, see --limit."
    return "All writes are here; there may be earlier reads, see --limit."


def _object(call: PastCall, told: Told) -> dict[str, object]:
    """The call as the list of the newest shows it, with the words about it."""
    shown = {name: getattr(call, name) for name in PastCall.__dataclass_fields__}
    return {**shown, **vars(told)}


def _show_calls(screen: Console, wanted: Wanted, told: Sequence[Told]) -> None:
    what = f"return {wanted.rma}" if wanted.order is None else f"order {wanted.order}"
    if not told:
        screen.print(f"No request about {what} is recorded by its number.")
        return
    columns = ["time", "asked", "for", "verdict", "eMAG", "s"]
    screen.print(table(f"Requests about {what}", columns, _lines(told)))
    if any(each.kept in (Kept.OTHER_KEY, Kept.NO_KEY) for each in told):
        screen.print(
            "Some bodies are sealed with another key, so less is told of them:"
            " add it behind a comma to EMAG_CALLS_KEY."
        )


def _lines(told: Sequence[Told]) -> Iterator[tuple[object, ...]]:
    """A line for each call; what was asked again and again to the same effect shares one."""
    for _, group in groupby(told, lambda each: (_asked(each), each.row, _verdict(each), each.said)):
        same = list(group)
        first, last = same[0], same[-1]
        again = f" ({len(same)} times, last {last.sent_at.astimezone():%m-%d %H:%M})"
        yield (
            first.sent_at,
            _asked(first) + (again if len(same) > 1 else ""),
            first.row,
            _verdict(first),
            first.said,
            "" if last.seconds is None else f"{last.seconds:.2f}",
        )


def _asked(told: Told) -> str:
    return f"{told.asked}, with {told.others} others" if told.others else told.asked


def _verdict(told: Told) -> str:
    return f"{told.verdict} ({told.cause})" if told.cause else told.verdict


def _show_rows(screen: Console, standing: Sequence[Standing]) -> None:
    if not standing:
        screen.print("No row of ours is about it.")
        return
    columns = ["row", "account", "state", "at eMAG", "why"]
    rows = [
        (
            f"{each.kind}:{each.row_id}",
            each.account,
            _state(each),
            " ".join(filter(None, (each.emag_id, each.emag_status))),
            each.reason,
        )
        for each in standing
    ]
    screen.print(table("Our rows about it now", columns, rows))


def _state(standing: Standing) -> str:
    state = standing.state or "from before the installation"
    return f"{state}: {standing.waiting_for}" if standing.waiting_for else state
