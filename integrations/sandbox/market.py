"""What customers, couriers and eMAG itself do to the marketplace."""

from __future__ import annotations

from typing import Any

from integrations.sandbox import money, panel
from integrations.sandbox.moves import move_order, move_return
from integrations.sandbox.reasons import reason_object
from integrations.sandbox.state import State
from integrations.sandbox.wire import Json


class Market(State):
    """A marketplace with its people. Each act raises ValueError when it can't be done."""

    def customer_asks_to_cancel(self, order_id: int) -> Json:
        """A customer cancels: a new order at once, a later one becomes a request to the seller.

        Source: API facts, Cancelling.
        """
        order = self.the_order(order_id)
        if order["status"] == 1:
            order["reason_cancellation"] = reason_object(24)
            move_order(self, order, 0, by="emag")
        elif order["status"] in (2, 3):
            order["cancellation_request"] = self.local_now()
            self.journal.effect(
                "order.cancellation_request",
                order_id,
                None,
                order["cancellation_request"],
                at=self.now(),
                by="customer",
            )
            self.touch(order)
        else:
            raise ValueError(f"order {order_id} has status {order['status']}: too late to cancel")
        return order

    def customer_opens_return(self, order_id: int, **fields: Any) -> Json:
        """A customer wants to give back goods of a finalized order; all of them, by default."""
        order = self.the_order(order_id)
        if order["status"] != 4:
            raise ValueError(f"order {order_id} is not finalized: nothing to return")
        asked = {"date": self.now(), "type": order["type"], **fields, "order_id": order_id}
        rma = self.add_return(asked)
        self.journal.effect(
            "rma.opened",
            rma["emag_id"],
            None,
            rma["request_status"],
            at=self.now(),
            by="customer",
        )
        return rma

    def courier_picks_up_return(self, emag_id: int) -> Json:
        """The courier has the parcel; a new return is acknowledged by that."""
        rma = self.the_return(emag_id)
        if rma["request_status"] not in (2, 3):
            raise ValueError(f"return {emag_id} has status {rma['request_status']}")
        rma["status_history"].append(
            {"code": "picked_by_courier", "event_date": self.local_now(), "requests": []}
        )
        if rma["request_status"] == 2:
            move_return(self, rma, 3, by="emag")
        return rma

    def courier_delivers_return(self, emag_id: int) -> Json:
        """The parcel reached the seller: the return is received."""
        rma = self.the_return(emag_id)
        if rma["request_status"] == 2:
            self.courier_picks_up_return(emag_id)
        if rma["request_status"] != 3:
            raise ValueError(f"return {emag_id} has status {rma['request_status']}")
        move_return(self, rma, 6, by="courier")
        return rma

    def finalize(self, order_id: int) -> Json:
        """The first AWB of an order is issued: it is finalized (API facts, Statuses)."""
        order = self.the_order(order_id)
        if order["status"] not in (2, 3):
            raise ValueError(f"order {order_id} has status {order['status']}: no AWB for it")
        move_order(self, order, 4, by="emag")
        return order

    def customer_cancels_return(self, emag_id: int) -> Json:
        """A customer keeps the goods after all: possible until the seller has them."""
        rma = self.the_return(emag_id)
        if rma["request_status"] not in (2, 3):
            raise ValueError(f"return {emag_id} has status {rma['request_status']}: too late")
        move_return(self, rma, 5, by="customer")
        return rma

    def emag_closes_return(self, emag_id: int) -> Json:
        """Nobody closed a return in time: eMAG finalizes it, with an incident."""
        rma = self.the_return(emag_id)
        if rma["request_status"] not in (2, 3, 6):
            raise ValueError(f"return {emag_id} has status {rma['request_status']}: not open")
        rma["finalized_with_incident"] = True
        move_return(self, rma, 7, by="emag")
        return rma

    # Money. Amounts are gross, in the order's currency; see `money`.

    def customer_pays(self, order_id: int) -> Json:
        """A customer's money, in whatever way, is with eMAG: the order's total."""
        order = self.the_order(order_id)
        money.cash(self, order, by="customer")
        return order

    def cod_is_cashed(self, order_id: int) -> Json:
        """The courier handed over what the customer paid on delivery."""
        order = self.the_order(order_id)
        money.check_mode(order, money.COD)
        money.cash(self, order)
        return order

    def card_is_cashed(self, order_id: int) -> Json:
        """The card was charged."""
        order = self.the_order(order_id)
        money.check_mode(order, money.CARD)
        money.cash(self, order)
        return order

    def emag_refunds_order(self, order_id: int, amount: money.Amount | None = None) -> Json:
        """eMAG pays back an amount; by default what was stornoed, or else the whole total."""
        order = self.the_order(order_id)
        money.refund_order(self, order, amount)
        return order

    def emag_refunds_return(self, emag_id: int, amount: money.Amount | None = None) -> Json:
        """eMAG pays back an amount; by default the price of what the return holds."""
        rma = self.the_return(emag_id)
        money.refund_return(self, rma, amount)
        return rma

    # What the seller's people do in eMAG's web panel; see `panel`.

    def panel_acknowledges(self, order_id: int) -> Json:
        """A new order becomes in progress."""
        order = self.the_order(order_id)
        panel.acknowledge(self, order)
        return order

    def panel_cancels(self, order_id: int, reason: int = 33) -> Json:
        """An order in 2 or 3, or in 4 for 48 hours, is cancelled."""
        order = self.the_order(order_id)
        panel.cancel(self, order, reason)
        return order

    def panel_restores(self, order_id: int, status: int | None = None) -> Json:
        """An order cancelled within 48 hours comes back: to a status, else to its former one."""
        order = self.the_order(order_id)
        panel.restore(self, order, status)
        return order

    def panel_removes(self, order_id: int, product_id: str, pieces: int) -> Json:
        """An order in 2 or 3 holds fewer pieces of a product."""
        order = self.the_order(order_id)
        panel.remove_pieces(self, order, product_id, pieces)
        return order

    def panel_stornoes(self, order_id: int, product_id: str, pieces: int) -> Json:
        """A finalized order gives back some pieces of a product."""
        order = self.the_order(order_id)
        panel.storno_pieces(self, order, product_id, pieces)
        return order

    def panel_returns_order(self, order_id: int) -> Json:
        """A finalized order gives back everything: 5."""
        order = self.the_order(order_id)
        panel.return_order(self, order)
        return order

    def panel_moves_return(self, emag_id: int, status: int) -> Json:
        """A return takes a step that the matrix allows."""
        rma = self.the_return(emag_id)
        panel.advance_return(self, rma, status)
        return rma
