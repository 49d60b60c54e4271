"""The flows as Prefect runs them: the same stories with a name, a form and a table of results.

The only module that imports Prefect at once; everything it runs is in the stories. Called from
Python, a sync returns its list of Report.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from prefect import flow, get_client
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.exceptions import Pause, PrefectHTTPStatusError
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.input.actions import acreate_flow_run_input, aread_flow_run_input
from prefect.input.run_input import keyset_from_paused_state
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed
from prefect.states import Suspended as PausedState
from pydantic import Field

from flows.approving import Suspended, command, suspended
from flows.artifacts import certificate_markdown, health_table, report_table, retention_table
from flows.call_record import trim_call_record
from flows.cancellation import sync_cancellations
from flows.ending import told
from flows.events import Event, asking_event, deadline_events, row_events
from flows.health import check_health
from flows.history import History, fill_history, history_table
from flows.invoice import sync_invoices
from flows.parameters import (
    BackfillParameters,
    CancellationParameters,
    Direction,
    HealthParameters,
    ReconcileParameters,
    RetentionParameters,
    SyncParameters,
)
from flows.pausing import (
    REFUSED,
    ApprovalNeededError,
    Question,
    question_of,
    release,
    remember,
)
from flows.reconciliation import Reconciled, reconcile_accounts
from flows.report import Report
from flows.rma import sync_returns
from flows.tidings import gather_tidings, tidings_table
from flows.untold import NOTHING_TOLD, Telling, gather_untold
from integrations.ledger.findings import Finding
from integrations.ledger.retention import CallsInUseError
from integrations.sync.backfill import Course

# The inputs of a run under which Prefect keeps the question, and we that its answer was acted on.
ASKED, USED_UP = "approval", "approval-used-up"

# How long a person may take to answer.
ANSWER_SECONDS = 24 * 3600

# A suspended run's process ends after about these seconds, in which it says again that it waits.
SAID_AGAIN_AFTER = (2.0, 3.0, 4.0, 5.0)

PROGRESS_SECONDS = 5.0

Ended = TypeVar("Ended", Report, History, Reconciled)

Asked = TypeVar("Asked", bound=SyncParameters)

PAUSED = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))

AS_SET = SyncParameters()
CANCELLATIONS_AS_SET = CancellationParameters()
HEALTH_AS_SET = HealthParameters()
RETENTION_AS_SET = RetentionParameters()
RECONCILE_AS_SET = ReconcileParameters()


class EmagUnreachableError(Exception):
    """eMAG could not be worked with, so the run failed; `ended` says how far it came."""

    def __init__(self, why: str, ended: Sequence[Any] = ()) -> None:
        super().__init__(why)
        self.ended = ended


class UnhealthyError(Exception):
    """Something that the syncs stand on is not as it must be; `findings` are all that there are."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        wrong = (finding for finding in findings if not finding.ok)
        super().__init__("; ".join(f"{each.name}: {each.detail} - {each.remedy}" for each in wrong))
        self.findings = findings


@flow(name="rma-sync", flow_run_name="returns-{parameters.label}")
async def rma_sync(parameters: SyncParameters = AS_SET) -> Any:
    """Carry the ERP's decisions about returns to eMAG, and bring its news of returns in."""
    return await _concluded("rma-sync", sync_returns, parameters)


@flow(name="cancellation-sync", flow_run_name="cancellations-{parameters.label}")
async def cancellation_sync(parameters: CancellationParameters = CANCELLATIONS_AS_SET) -> Any:
    """Carry the ERP's cancellations and refunds to eMAG, and bring its news of orders in."""
    approval = await _answer()
    if approval is None and (question := await question_of(parameters)):
        if await _is_being_asked(parameters.account):
            # Another run waits for the answer: meanwhile only eMAG's news is brought in.
            parameters = parameters.model_copy(update={"direction": Direction.IN})
        else:
            approval = await _ask(question, parameters.account)
    if approval:
        if not approval.approve:
            return Completed(name="Refused by a person", message=REFUSED, data=[])
        await _use_up()
        await release(parameters.account, approval.at_most)
        most = min(parameters.limit, approval.at_most)
        parameters = parameters.model_copy(update={"unasked": True, "limit": most})
    return await _concluded("cancellation-sync", sync_cancellations, parameters)


def _most(as_set: int) -> Any:
    """A field's value: Prefect drops explanation and bounds of one that is replaced by a number."""
    return Field(
        default=as_set, ge=1, le=1_000_000, description="Cancel no more than this per account."
    )


class Approval(RunInput):
    """The form in which a person answers."""

    approve: bool = Field(default=False, description="On: they are cancelled. Off: none is.")
    at_most: int = _most(1)


async def _answer() -> Approval | None:
    """What a person has answered, where this run has asked; None where it has not.

    It is read before anything is counted: with fewer due by now a "no" is a no all the same. A form
    that was submitted as it stood holds nothing, and approves nothing.
    """
    run_id = _resumable()
    if run_id is None:
        return None
    keys = keyset_from_paused_state(PausedState(pause_key=ASKED))
    form = await aread_flow_run_input(keys["schema"], run_id)
    if form is None:
        return None
    filled_in = await aread_flow_run_input(keys["response"], run_id) or {}
    return Approval(**{"at_most": form["properties"]["at_most"]["default"], **filled_in})


async def _use_up() -> None:
    """Let no second attempt of this run cancel as many again.

    Raises:
        ApprovalNeededError: an attempt before this one has gone ahead with the answer.
    """
    try:
        await acreate_flow_run_input(USED_UP, True)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.CONFLICT:
            raise
        raise ApprovalNeededError(
            "this run has gone ahead with its answer before: start another run of"
            " cancellation-sync, which asks about what is still due"
        ) from error


async def _ask(question: Question, account: str) -> Approval:
    """Suspend the run until a person has answered; nothing is leased or in doubt meanwhile.

    A resumed run has its answer. Without one in a day the run fails, and the next one asks anew.

    Raises:
        ApprovalNeededError: the run was not started from a deployment, so it can't be resumed.
    """
    run_id = _resumable()
    if run_id is None:
        raise ApprovalNeededError(f"{question}: approve with {command(account, '--yes')}")
    await remember(question)
    form = Approval.with_initial_data(description=question.asked, at_most=_most(question.rows))
    try:
        answer: Approval = await asuspend_flow_run(
            wait_for_input=form, timeout=ANSWER_SECONDS, key=ASKED
        )
    except Pause:
        await _fall_silent(asking_event(str(run_id), str(question)))
        raise
    return answer


def _resumable() -> UUID | None:
    """The id of this run, if it came from a deployment: no other can be suspended and resumed."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return None
    return context.flow_run.id


async def _fall_silent(asking: Event) -> None:
    """Tell Prefect that a run waits for a person, until it has surely heard so.

    Prefect's automations look at two events at once and know no order of them. The first word can
    overtake the run's sign of life; without another one the run would be taken for killed. That one
    event follows another can be said, but is then lost for a quarter of an hour now and then. And
    of two that come at the same instant one may be lost, where Prefect's tables are in an SQLite
    file: so runs that were suspended together speak at instants of their own. On a busy host it
    lost one or two of 26 (measured).
    """
    _emit([asking])
    for seconds in SAID_AGAIN_AFTER:
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        _emit([asking])


async def _is_being_asked(account: str) -> bool:
    """Whether another run of the same deployment waits for an answer about this account, or all."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return False
    async with get_client() as client:
        waiting = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[context.flow_run.deployment_id]),
                state=PAUSED,
            )
        )
    return any(
        suspended(run.name, run.parameters).asks_about(account)
        for run in waiting
        if run.id != context.flow_run.id
    )


async def read_suspended() -> list[Suspended]:
    """All runs of cancellation-sync that wait for a person's answer; raises as httpx does."""
    async with get_client() as client:
        waiting = await client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[cancellation_sync.name])),
            flow_run_filter=FlowRunFilter(state=PAUSED),
        )
    return [suspended(run.name, run.parameters) for run in waiting]


@flow(name="invoice-sync", flow_run_name="invoices-{parameters.label}")
async def invoice_sync(parameters: SyncParameters = AS_SET) -> Any:
    """Attach the ERP's invoices to their orders at eMAG, and bring payments in."""
    return await _concluded("invoice-sync", sync_invoices, parameters)


@flow(name="health-check", flow_run_name="health-{parameters.account}")
async def health_check(parameters: HealthParameters = HEALTH_AS_SET) -> Any:
    """Look at everything the syncs stand on; the run fails when something is wrong."""
    tidings = await gather_tidings(parameters.account, heard=_is_heard())
    _emit(deadline_events(tidings.alarms))
    findings = await told(check_health(parameters))
    await acreate_table_artifact(
        table=health_table(findings), key="health-check", description="What was looked at"
    )
    if not all(finding.ok for finding in findings):
        raise UnhealthyError(findings)
    return Completed(data=findings)


@flow(name="retention", flow_run_name="retention-{parameters.label}")
async def retention(parameters: RetentionParameters = RETENTION_AS_SET) -> None:
    """Drop the call record's old days and make the coming ones."""
    trimmed = await trim_call_record(parameters)
    await acreate_table_artifact(
        table=retention_table(trimmed),
        key="retention",
        description="Old days of the call record",
    )
    if trimmed.problem:
        raise CallsInUseError(trimmed.problem)


@flow(name="backfill", flow_run_name="backfill-{parameters.label}")
async def backfill(parameters: BackfillParameters) -> Any:
    """Bring in what happened at eMAG before; what an earlier run has stored is not read again."""
    courses: dict[tuple[str, str], Course] = {}

    def watch(course: Course) -> None:
        courses[course.account, course.resource] = course

    def share() -> float:
        slices = sum(len(course.slices) for course in courses.values())
        return sum(course.stored for course in courses.values()) / slices if slices else 0.0

    description = "How much of the history is stored"
    async with _progress("backfill-progress", description, share):
        histories = await told(fill_history(parameters, watch))
    await acreate_table_artifact(
        table=history_table(histories), key="backfill", description="What of the history is stored"
    )
    return conclusion(histories)


@flow(name="reconcile", flow_run_name="reconcile-{parameters.label}")
async def reconcile(parameters: ReconcileParameters = RECONCILE_AS_SET) -> Any:
    """Compare eMAG with the ERP, put right what differs, and certify the rest."""
    results = await told(reconcile_accounts(parameters))
    await acreate_markdown_artifact(
        markdown=certificate_markdown(results),
        key="reconcile",
        description="Whether eMAG and the ERP agree",
    )
    return conclusion(results, "Unexplained")


async def _concluded(
    name: str,
    story: Callable[[Asked], Awaitable[list[Report]]],
    parameters: Asked,
) -> State[list[Report]]:
    """Tell the story, show its table, and end the run as the figures say."""
    reports = await told(story(parameters))
    telling = NOTHING_TOLD
    if not parameters.dry_run:
        telling = await _tell(name, reports, parameters.account)
    return conclusion(reports, concerned=bool(telling.told))


async def _tell(name: str, reports: Sequence[Report], account: str) -> Telling:
    """Tell what nobody was told yet, of the run itself and of others; which rows those were."""
    heard = _is_heard()
    tidings = await gather_tidings(account, heard=heard)
    # What counts as told is told at once: a run may be killed at any moment.
    _emit(deadline_events(tidings.alarms))
    telling = await gather_untold(account) if heard else NOTHING_TOLD
    _emit(row_events(telling.told))
    await acreate_table_artifact(
        table=report_table(reports, telling) + tidings_table(tidings),
        key=name,
        description="What became of the rows",
    )
    return telling


def _is_heard() -> bool:
    """Whether the run's server stays: what a temporary one is told nobody comes to see."""
    return bool(PREFECT_API_URL.value())


@asynccontextmanager
async def _progress(key: str, description: str, share: Callable[[], float]) -> AsyncIterator[None]:
    """Show in a progress artifact how far the block is, every few seconds and at its end.

    `share` says it, from 0 to 1.
    """
    artifact = await acreate_progress_artifact(0.0, key=key, description=description)

    async def show() -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            await aupdate_progress_artifact(artifact, 100 * share())

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        await aupdate_progress_artifact(artifact, 100 * share())


def _emit(events: Iterable[Event]) -> None:
    """Hand events to Prefect, which sends them by itself; without a server nothing happens."""
    for event in events:
        emit_event(
            event.name, resource={"prefect.resource.id": event.resource}, payload={**event.payload}
        )


def conclusion(
    reports: Sequence[Ended], concern: str = "Refusals", *, concerned: bool = False
) -> State[list[Ended]]:
    """Completed, or Completed named after what concerns a person.

    With `concerned` something does that no report speaks of.

    Raises:
        EmagUnreachableError: eMAG could not be worked with for some account.
    """
    unreachable = [f"{each.account}: {each.unreachable}" for each in reports if each.unreachable]
    if unreachable:
        raise EmagUnreachableError("; ".join(unreachable), reports)
    if concerned or any(report.exit_code for report in reports):
        return Completed(name=concern, data=list(reports))
    return Completed(data=list(reports))
