"""What adopting rows from before would do, with nothing sent and nothing queued."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from flows.parameters import SyncParameters
from flows.preview import preview
from flows.report import Report
from flows.sync import for_each_account
from integrations.erp.rows import Kind
from integrations.ledger.adopt import adoptable_ids
from integrations.sync.channel import Channel


async def preview_adoption(since: date, kinds: Sequence[Kind], most: int) -> list[Report]:
    """The plans of the rows that the ERP created since that day and nobody queued, by account."""

    async def story(channel: Channel, parameters: SyncParameters, report: Report) -> None:
        for kind in kinds:
            ids = await adoptable_ids(
                channel.engine, since, kind, most, require_approval=channel.require_approval
            )
            await preview(channel, kind, parameters.limit, report, also=ids)

    return await for_each_account("adopt", SyncParameters(dry_run=True, limit=most), story)
