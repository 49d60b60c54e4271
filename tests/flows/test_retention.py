"""The daily care of the call record, as a flow and as a function."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows import call_record, deployed, retention
from flows.artifacts import retention_table
from flows.call_record import Trimmed, trim_call_record
from flows.cli.main import answer
from flows.parameters import RetentionParameters
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.retention import Day, drop_old_days, old_days
from tests.flows.test_deployed import last_run, tables_of
from tests.integrations.ledger.recording import add_day

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("configured"),
]


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


async def test_old_days_go_and_the_coming_ones_are_made(engine: Engine) -> None:
    await add_day(engine, 40, calls=3)
    await add_day(engine, 30, calls=1)
    async with transaction(engine) as connection:
        await connection.execute(f"DROP TABLE app.emag_api_calls_{ago(-9).replace('-', '')}")

    trimmed = await trim_call_record(RetentionParameters())

    assert [(each.day.isoformat(), each.calls) for each in trimmed.dropped] == [(ago(40), 3)]
    assert (trimmed.left, trimmed.problem) == ([], None)
    async with rolled_back(engine) as connection:
        made = "SELECT to_regclass(:name)"
        name = {"name": f"app.emag_api_calls_{ago(-9).replace('-', '')}"}
        assert (await connection.execute(made, name)).scalar_one()


async def test_calls_may_be_kept_for_longer(engine: Engine) -> None:
    await add_day(engine, 40, calls=1)

    assert (await trim_call_record(RetentionParameters(days=60))).dropped == []
    assert len((await trim_call_record(RetentionParameters(days=35))).dropped) == 1


async def test_a_dry_run_only_shows(engine: Engine) -> None:
    await add_day(engine, 40, calls=2)

    trimmed = await trim_call_record(RetentionParameters(dry_run=True))

    assert [each.calls for each in trimmed.left] == [2]
    assert len(await old_days(engine, 30)) == 1


async def test_what_else_is_out_of_date_goes_with_the_same_run(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.emag_alarms (platform, account, about, subject, due_at, told_at)"
            " VALUES ('emag-ro', 'main', 'document', '480000101', now() - interval '40 days',"
            " now())"
        )

    assert (await trim_call_record(RetentionParameters(dry_run=True))).forgotten.alarms == 0
    assert (await trim_call_record(RetentionParameters(days=60))).forgotten.alarms == 0
    assert (await trim_call_record(RetentionParameters())).forgotten.alarms == 1


async def test_what_is_in_use_is_named_and_stays(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_day(engine, 40, calls=2)
    monkeypatch.setattr(
        call_record, "drop_old_days", lambda engine, days: drop_old_days(engine, days, (0.0,))
    )
    async with transaction(engine) as reader:
        await reader.execute("SELECT count(*) FROM app.emag_api_calls")
        trimmed = await trim_call_record(RetentionParameters())

    assert "long transaction" in (trimmed.problem or "")
    assert [line["result"] for line in retention_table(trimmed)] == ["stays: in use"]


def test_the_table_names_each_day() -> None:
    day = Day(datetime(2026, 11, 2, tzinfo=UTC).date(), calls=7, bytes=2_500_000)

    assert retention_table(Trimmed([day], [])) == [
        {"day": "2026-11-02", "calls": 7, "MB": 2.5, "result": "dropped"}
    ]
    assert retention_table(Trimmed([], [day]))[0]["result"] == "would be dropped"
    assert retention_table(Trimmed([], []))[0]["result"] == "no day is old enough"


@pytest.mark.parametrize("wrong", [{"days": 29}, {"days": 3651}, {"day": 30}])
async def test_what_the_form_forbids_is_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        await retention(**wrong)


@pytest.mark.usefixtures("prefect_server")
async def test_the_flow_leaves_a_table_of_what_it_dropped(engine: Engine) -> None:
    await add_day(engine, 40, calls=3)

    await retention(days=35)

    run = await last_run("retention-35-days")
    [[line]] = await tables_of(run)
    assert (line["day"], line["calls"], line["result"]) == (ago(40), 3, "dropped")


@pytest.mark.usefixtures("prefect_server")
async def test_the_flow_fails_with_its_table_when_a_day_stays(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_day(engine, 40)
    monkeypatch.setattr(
        call_record, "drop_old_days", lambda engine, days: drop_old_days(engine, days, (0.0,))
    )
    async with transaction(engine) as reader:
        await reader.execute("SELECT count(*) FROM app.emag_api_calls")
        state = await deployed.retention(RetentionParameters(), return_state=True)

    assert state.is_failed()
    assert "pg_stat_activity" in (state.message or "")
    [[line]] = await tables_of(await last_run("retention-30-days"))
    assert line["result"] == "stays: in use"


async def test_the_command_drops_and_tells(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_day(engine, 40, calls=3)

    code = await asyncio.to_thread(answer, ["retention", "--days", "35"])

    assert code == 0
    assert ago(40) in capsys.readouterr().out
    assert await old_days(engine, 35) == []


async def test_the_command_deletes_nothing_in_a_dry_run_and_says_so(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_day(engine, 40, calls=3)

    assert await asyncio.to_thread(answer, ["retention", "--dry-run"]) == 0

    said = capsys.readouterr().out
    assert "A dry run: nothing was deleted." in said
    assert "Out of date and deleted" not in said
    assert [each.calls for each in await old_days(engine, 30)] == [3]
