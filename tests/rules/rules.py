"""The rules of the way to eMAG, how the source is without each of them, and the tests that notice.

An edit names a text of the source and what stands there when the rule is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def spine(group: str, name: str) -> str:
    """A test of the spine."""
    return f"tests/end_to_end/test_spine.py::{group}::{name}"


def interleaving(subject: str, group: str, name: str) -> str:
    """A test of what happens meanwhile."""
    return f"tests/end_to_end/interleavings/test_{subject}.py::{group}::{name}"


def poison(group: str, name: str) -> str:
    """A test of saves that always fail."""
    return f"tests/end_to_end/poison/test_saves.py::{group}::{name}"


@dataclass(frozen=True)
class Edit:
    """What is to be replaced in a module's source, wherever it stands there."""

    text: str
    without: str


@dataclass(frozen=True)
class Rule:
    """A rule: the module that holds it, the edits that take it out, the tests that then fail."""

    name: str
    module: str
    edits: Sequence[Edit]
    tests: Sequence[str]

    def removed_from(self, source: str) -> str:
        """The module's source without the rule. ValueError where the rule is not to be found."""
        for edit in self.edits:
            if edit.text not in source:
                raise ValueError(f"{self.name}: {self.module} has no {edit.text!r} any more")
            source = source.replace(edit.text, edit.without)
        return source


RULES: Sequence[Rule] = (
    Rule(
        "the intent is committed before the request leaves",
        "integrations.ledger.intents",
        [
            Edit("WHERE EXISTS (SELECT FROM fit)\n", "WHERE false\n"),
            Edit('slot="FROM fit"', 'slot="FROM fit WHERE false"'),
            Edit("(SELECT sent_at FROM entry)", "(SELECT clock_timestamp() FROM fit)"),
        ],
        [
            interleaving(
                "requests",
                "TestReductions",
                "test_a_worker_that_died_after_its_request_left_no_reason_to_take_more",
            ),
            spine("TestIntents", "test_every_request_is_entered_and_closed_with_its_verdict"),
        ],
    ),
    Rule(
        "the intent's commit checks the lease",
        "integrations.ledger.intents",
        [Edit("h.emag_order_id IS NOT NULL AS held", "true AS held")],
        [
            spine("TestLeases", "test_who_lost_the_lease_sends_nothing"),
            interleaving("leases", "TestLeases", "test_the_orders_that_were_lost_leave_their_lot"),
        ],
    ),
    Rule(
        "the intent's commit checks that the ERP's row is as planned on",
        "integrations.ledger.intents",
        [Edit("r.stamp IS NOT DISTINCT FROM i.stamp AS unchanged", "true AS unchanged")],
        [
            spine("TestIntents", "test_only_the_edited_row_leaves_its_lot"),
            interleaving(
                "edits", "TestEdits", "test_an_edit_before_the_intent_is_what_is_carried[reserved]"
            ),
        ],
    ),
    Rule(
        "an order whose request is under way is leased until that is surely dead",
        "integrations.sync.send",
        [Edit("life=longest_life(channel, slot)", "life=channel.timings.lease")],
        [
            interleaving(
                "leases",
                "TestLeases",
                "test_an_order_stays_leased_until_its_request_is_surely_dead",
            )
        ],
    ),
    Rule(
        "a write leaves only while its orders are leased until it is surely dead",
        "integrations.sync.send",
        [Edit("hold, channel, lot.route, slot, confirm", "hold, channel, lot.route, slot")],
        [
            interleaving(
                "leases",
                "TestLeases",
                f"test_who_was_suspended_after_the_intent_{what}",
            )
            for what in ("attaches_nothing_twice", "undoes_nothing", "asks_for_nothing_illegal")
        ],
    ),
    Rule(
        "a lease that ran out is not renewed",
        "integrations.ledger.leases",
        [Edit('f"{EXTEND} AND expires_at > clock_timestamp()"', "EXTEND")],
        [spine("TestLeases", "test_one_that_ran_out_is_not_renewed")],
    ),
    Rule(
        "a row in doubt stays so, whatever the ERP has changed meanwhile",
        "integrations.ledger.persist",
        [Edit(" AND o.state <> 'in_doubt'", "")],
        [
            interleaving(
                "leases",
                "TestLeases",
                "test_a_change_that_is_folded_while_an_answer_is_lost_leaves_the_row_in_doubt",
            )
        ],
    ),
    Rule(
        "a changed row is left alone until it has rested",
        "integrations.ledger.changes",
        [
            Edit(
                '"quiet": timings.quiet,\n            "quiet_cap": timings.quiet_cap,\n'
                '            "chunk"',
                '"quiet": 0.0,\n            "quiet_cap": 0.0,\n            "chunk"',
            )
        ],
        [
            spine("TestChangesRest", "test_a_row_is_queued_only_after_it_has_rested"),
            interleaving(
                "edits",
                "TestEdits",
                "test_items_written_a_moment_after_their_cancellation_do_not_cost_the_whole_order",
            ),
        ],
    ),
    Rule(
        "a copy of eMAG's state that has grown old is not saved back",
        "integrations.sync.send",
        [
            Edit(
                " or work.copy.began.age() + slot.left() > channel.timings.copy_age",
                "",
            )
        ],
        [
            interleaving(
                "requests",
                "TestCopies",
                f"test_a_copy_that_has_grown_old_by_any_clock_is_not_saved_back[{clock}]",
            )
            for clock in ("monotonic", "booted", "wall")
        ],
    ),
    Rule(
        "a copy of eMAG's state serves one write",
        "integrations.sync.send",
        [
            Edit(
                "            item.work.copy = item.work.plan = None\n",
                "            item.work.plan = None\n",
            )
        ],
        [interleaving("requests", "TestCopies", "test_a_copy_serves_one_write")],
    ),
    Rule(
        "what is taken off lines has absolute targets",
        "integrations.sync.reductions",
        [
            Edit(
                "    mark = fingerprint(items)\n",
                "    mark = fingerprint(items)\n    stored = None\n",
            )
        ],
        [
            interleaving(
                "requests",
                "TestReductions",
                "test_a_worker_that_died_after_its_request_left_no_reason_to_take_more",
            ),
            interleaving(
                "edits",
                "TestEdits",
                "test_an_edit_after_the_intent_is_measured_from_what_was_first_read[noted]",
            ),
        ],
    ),
    Rule(
        "a row that changed after its claim is pending again, whatever came out",
        "integrations.ledger.persist",
        [Edit("l.wanted_revision > o.revision", "false")],
        [
            spine("TestIntents", "test_an_edit_after_the_claim_makes_the_row_pending_again"),
            interleaving(
                "edits",
                "TestFolding",
                "test_a_fold_while_the_row_is_leased_only_raises_what_is_wanted[carried]",
            ),
        ],
    ),
    Rule(
        "our books are written only under the lease",
        "integrations.ledger.persist",
        [
            Edit(
                "[_fitting(each) for each in outcomes if each.order_id in held]",
                "[_fitting(each) for each in outcomes]",
            )
        ],
        [spine("TestLeases", "test_who_lost_the_lease_writes_nothing_into_our_books")],
    ),
    Rule(
        "nothing is asked about an order whose call is open",
        "integrations.sync.work",
        [Edit("order_id not in self.doubtful and writer == work.claim.id", "True")],
        [
            interleaving(
                "requests",
                "TestRepetition",
                "test_a_repeated_step_asks_nothing_about_an_order_whose_call_is_open",
            ),
            interleaving(
                "siblings",
                "TestSiblings",
                "test_while_one_is_in_doubt_nothing_is_asked_for_the_other[after_effect]",
            ),
        ],
    ),
    Rule(
        "what became of a row is in the books before the order's next row is measured",
        "integrations.sync.work",
        [Edit("writer = self.writers.get(order_id, work.claim.id)", "writer = work.claim.id")],
        [
            interleaving(
                "siblings",
                "TestSiblings",
                "test_a_worker_that_died_between_them_leaves_each_measured_from_the_other",
            )
        ],
    ),
    Rule(
        "the rows of one order take turns",
        "integrations.sync.work",
        [Edit("first.setdefault(work.claim.order_id, work)", "first[work.claim.id] = work")],
        [
            interleaving(
                "siblings", "TestSiblings", "test_cancellations_claimed_together_take_turns"
            )
        ],
    ),
    Rule(
        "what is in doubt is settled before anything new of its order",
        "integrations.ledger.claims",
        [Edit("ORDER BY t.sent_at IS NULL, t.id", "ORDER BY t.id")],
        [
            interleaving(
                "siblings",
                "TestSiblings",
                "test_what_is_in_doubt_is_settled_before_another_is_measured[before_effect]",
            )
        ],
    ),
    Rule(
        "a request waits for its slot on the open connection",
        "integrations.sync.send",
        [
            Edit("departing=partial(hold, channel, lot.route, slot, confirm),", ""),
            Edit(
                "        return await channel.client.exchange(",
                "        await hold(channel, lot.route, slot, confirm)\n"
                "        return await channel.client.exchange(",
            ),
        ],
        [
            interleaving(
                "requests",
                "TestSlots",
                "test_requests_that_waited_for_a_connection_do_not_leave_all_at_once",
            )
        ],
    ),
    Rule(
        "a request that could not leave in time does not leave",
        "integrations.sync.ask",
        [Edit("if left <= 0.0:", "if False:")],
        [
            interleaving(
                "requests",
                "TestSlots",
                "test_a_request_whose_time_is_over_does_not_leave_however_free_the_budget_is[True]",
            )
        ],
    ),
    Rule(
        "an intent that came to nothing is taken back",
        "integrations.sync.send",
        [Edit("    if not works:\n        return\n    before", "    return\n    before")],
        [
            interleaving(
                "requests", "TestSlots", "test_a_request_that_finds_emag_down_does_not_leave"
            ),
            spine("TestDoubt", "test_what_was_proved_not_applied_leaves_no_trace[throttle]"),
        ],
    ),
    Rule(
        "a row whose last request came to nothing goes alone",
        "integrations.sync.lots",
        [Edit(" or work.failed is not None", "")],
        [poison("TestNeighbours", "test_are_saved_without_it[locked]")],
    ),
    Rule(
        "a row whose saves have no effect is given up for now",
        "integrations.sync.plan_rows",
        [Edit("work.tries > MOST_TRIES", "False")],
        [poison("TestTheRowItself", "test_is_given_up_where_its_saves_change_nothing")],
    ),
    Rule(
        "a row that failed alone rests before it is sent again",
        "integrations.sync.send",
        [Edit("failed.in_doubt and work.claim.attempts", "failed.in_doubt and False")],
        [poison("TestTheRowItself", "test_rests_before_it_is_sent_again")],
    ),
    Rule(
        "what rests is measured anew",
        "integrations.sync.send",
        [Edit("replace(work.known, sent=False, reductions=None)", "work.known")],
        [poison("TestTheRowItself", "test_is_measured_anew_where_another_row_went_before_it")],
    ),
    Rule(
        "a failed write alone is no outage",
        "integrations.sync.send",
        [
            Edit(
                "    try:\n        async with channel.tally.probing:",
                "    return await note_outage(channel, lot.route, answer)\n"
                "    try:\n        async with channel.tally.probing:",
            )
        ],
        [poison("TestAnOutage", "test_is_none_while_others_are_saved")],
    ),
    Rule(
        "the write-back waits for no lock of the ERP's",
        "integrations.erp.write_back",
        [Edit("FOR UPDATE OF r SKIP LOCKED", "FOR UPDATE OF r")],
        [
            interleaving(
                "write_back",
                "TestWriteBack",
                "test_an_erp_that_holds_its_row_locked_is_not_waited_for",
            )
        ],
    ),
    Rule(
        "the write-back leaves a row alone whose change is not folded",
        "integrations.erp.write_back",
        [Edit("c.row_id = r.id", "false")],
        [
            interleaving(
                "write_back",
                "TestDecidedMeanwhile",
                "test_another_return_named_while_the_row_was_locked_is_carried",
            )
        ],
    ),
    Rule(
        "the write-back leaves a row alone that names another order",
        "integrations.erp.write_back",
        [Edit("FROM '[1-9][0-9]*') = theirs.order_id", "FROM '[1-9][0-9]*') IS NOT NULL")],
        [
            interleaving(
                "write_back",
                "TestDecidedMeanwhile",
                "test_a_row_that_came_to_name_another_order_gets_nothing_of_the_first",
            )
        ],
    ),
    Rule(
        "the write-back replaces no return that the ERP names",
        "integrations.erp.write_back",
        [Edit("AND {undecided}", "AND ({undecided} OR true)")],
        [interleaving("write_back", "TestDecidedMeanwhile", "test_one_that_no_trigger_saw_stands")],
    ),
    Rule(
        "a row that comes to name another order has nothing to be written back",
        "integrations.ledger.queueing",
        [Edit("write_back = CASE WHEN NOT {moved} THEN t.write_back END,", "")],
        [
            interleaving(
                "write_back",
                "TestDecidedMeanwhile",
                "test_a_new_row_of_that_id_gets_nothing_of_the_deleted_one",
            )
        ],
    ),
)
