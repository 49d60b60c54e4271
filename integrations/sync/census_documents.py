"""Documents that were attached to orders and hang there no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.emag.wire import Raw, plain_text
from integrations.ledger.attached import Attached, attached_documents
from integrations.sync.channel import Channel
from integrations.sync.wishes import shown


async def vanished_documents(channel: Channel, raws: Mapping[int, Raw]) -> Mapping[int, str]:
    """What of our documents these orders show no longer, by order and in words.

    A document is there by its name or by its address, whatever its type: either may have been
    changed at eMAG. An order that shows no list of documents says nothing about them.
    """
    told = {number: raw["attachments"] for number, raw in raws.items() if _is_told(raw)}
    if not told:
        return {}
    platform = channel.account.platform
    ours = await attached_documents(channel.engine, channel.schema, platform, told)
    texts: dict[int, list[str]] = {}
    for each in ours:
        if not _hangs(each, told[each.order_id]):
            texts.setdefault(each.order_id, []).append(_text(each))
    return {number: "; ".join(found) for number, found in texts.items()}


async def no_documents(channel: Channel, raws: Mapping[int, Raw]) -> Mapping[int, str]:
    """Nothing: to returns no documents are attached."""
    return {}


def _is_told(raw: Raw) -> bool:
    found = raw.get("attachments")
    return isinstance(found, list) and all(isinstance(each, dict) for each in found)


def _hangs(ours: Attached, attachments: Sequence[Mapping[str, Any]]) -> bool:
    return any(
        plain_text(each.get("name")) == ours.name
        or (ours.url and plain_text(each.get("url")) == ours.url)
        for each in attachments
    )


def _text(ours: Attached) -> str:
    return (
        f"the document of invoice {shown(ours.number, 60)} is no longer at eMAG:"
        f" `emag-flows replay invoice:{ours.row_id}` attaches it again"
    )
