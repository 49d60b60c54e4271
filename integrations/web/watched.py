"""What those who watch this server ask: whether it lives, whether it is ready, and its figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel

from integrations.ledger.status import Budget, Status, status_of
from integrations.web.context import Given
from integrations.web.problems import documented
from integrations.web.prompt import prompt

router = APIRouter(tags=["watching"])


class Alive(BaseModel):
    """The server lives."""

    status: str = "ok"


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Whether the server lives")
async def health() -> Alive:
    """Nothing but this process is looked at."""
    return Alive()


@router.head("/ready", include_in_schema=False)
@router.get("/ready", summary="Whether it can work", responses=documented(503))
async def ready(given: Given) -> Alive:
    """The database answers, and soon."""

    async def answers() -> Mapping[str, Any]:
        async with prompt(given.database.engine) as connection:
            await connection.execute("SELECT 1")
        return {}

    await given.ready.ask(answers)
    return Alive()


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses=documented(401, 421, 429, 503),
)
async def metrics(given: Given) -> Response:
    """Rows by state, changes not queued yet, requests of the last day, the budget's state."""
    registry = CollectorRegistry(auto_describe=False)
    async with prompt(given.database.engine) as connection:
        status = await status_of(connection)
    registry.register(_Figures(status))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """Our books as Prometheus reads them."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Every figure, from the books alone."""
        status = self._status
        which = ["kind", "account", "state", "waiting_for"]
        rows = GaugeMetricFamily("emag_rows", "Rows that are not settled", labels=which)
        ages = GaugeMetricFamily(
            "emag_rows_oldest_seconds", "For how long the oldest row has been so", labels=which
        )
        for count in status.counts:
            labels = [count.kind.value, count.account or "", count.state.value]
            labels.append(count.waiting_for or "")
            rows.add_metric(labels, count.rows)
            if count.since is not None:
                ages.add_metric(labels, max(0.0, (status.at - count.since).total_seconds()))
        yield rows
        yield ages
        yield GaugeMetricFamily(
            "emag_changes", "Changes of the ERP's that are not queued yet", status.changes
        )
        yield GaugeMetricFamily(
            "emag_write_backs", "Rows whose ids the ERP does not show yet", status.write_backs
        )
        throttled = CounterMetricFamily(
            "emag_throttled", "Answers that the limit was exceeded", labels=["platform", "bucket"]
        )
        ahead = GaugeMetricFamily(
            "emag_budget_ahead_seconds",
            "How far ahead requests are reserved",
            labels=["platform", "bucket"],
        )
        for bucket, budgets in _by_bucket(status.budgets).items():
            throttled.add_metric(bucket, sum(each.throttled for each in budgets))
            ahead.add_metric(bucket, max(each.ahead for each in budgets))
        yield throttled
        yield ahead


def _by_bucket(budgets: Sequence[Budget]) -> Mapping[tuple[str, str], Sequence[Budget]]:
    """The budgets of all logins, whose names are no labels, by platform and bucket."""
    found: defaultdict[tuple[str, str], list[Budget]] = defaultdict(list)
    for each in budgets:
        found[each.platform, each.bucket].append(each)
    return found
