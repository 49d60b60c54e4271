"""Queue reads at eMAG: nothing here can do more."""

from __future__ import annotations

from integrations.emag.accounts import Account
from integrations.ledger.hints import hint_order, hint_return
from integrations.ledger.operations import Standing
from integrations.web.context import Context


async def hint_order_of(context: Context, standing: Standing) -> None:
    """Let the order of a row be read by the next run, where the row's account is known."""
    account = context.accounts.get((standing.account or "").lower())
    if account is not None and standing.order_id:
        await hint_about_order(context, account, standing.order_id)


async def hint_about_order(context: Context, account: Account, order_id: int) -> None:
    """Let an order be read by the next run."""
    await hint_order(
        context.database.engine, account.platform, account.name, account.order_type, order_id
    )


async def hint_about_return(context: Context, account: Account, emag_id: int) -> None:
    """Let a return be read by the next run."""
    await hint_return(
        context.database.engine, account.platform, account.name, account.order_type, emag_id
    )
