"""`emag-flows deploy` on a real Prefect server: everything is there, and what people set stays."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploy import minutes_later, read_automations, read_deployments
from flows.prefect_server import free_port, prefect_server, settings_for
from tests.flows.asking import ask
from tests.flows.cli.conftest import Said, run_as_process, run_here

pytestmark = pytest.mark.long

DOCUMENT = Path(__file__).parents[2] / "docs" / "production.md"

ENTRY = {"username": "seller@example.com", "password": "secret"}


@dataclass(frozen=True)
class Deployed(Said):
    """What `emag-flows deploy --json` answered."""

    @property
    def outcomes(self) -> dict[str, str]:
        return {each["name"]: each["outcome"] for each in json.loads(self.out)}

    @property
    def details(self) -> dict[str, str]:
        return {each["name"]: each["detail"] for each in json.loads(self.out)}


@dataclass(frozen=True)
class Server:
    """A Prefect server, and `emag-flows deploy` to it."""

    home: Path
    url: str

    async def deploy(self, *arguments: str, **variables: str) -> Deployed:
        """The command in this process, which has Prefect already: importing it takes seconds."""
        with temporary_settings({PREFECT_API_URL: self.url}):
            said = await asyncio.to_thread(run_here, ["deploy", *arguments], variables, self.home)
        return Deployed(**vars(said))

    async def deploy_by_program(self, *arguments: str) -> Deployed:
        """The command as an operator calls it."""
        variables = settings_for(self.home, self.url)
        said = await run_as_process(["deploy", *arguments], variables, self.home)
        return Deployed(**vars(said))

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        return await ask(method, f"{self.url}{path}", body)

    async def deployments(self) -> dict[str, Any]:
        found = await self.ask("POST", "/deployments/filter", {})
        flows = {each["id"]: each["name"] for each in await self.ask("POST", "/flows/filter", {})}
        return {f"{flows[each['flow_id']]}/{each['name']}": each for each in found}

    async def automations(self) -> dict[str, Any]:
        return {each["name"]: each for each in await self.ask("POST", "/automations/filter", {})}


@pytest.fixture
async def server(prefect_home: Path) -> AsyncIterator[Server]:
    async with prefect_server(prefect_home) as url:
        yield Server(prefect_home, url)


async def test_a_server_gets_everything_once_and_keeps_what_people_set(server: Server) -> None:
    """One test, because a server's first start takes ten seconds."""
    first = await server.deploy_by_program("--json")
    again = await server.deploy("--json")
    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert set(first.outcomes.values()) == {"created"}
    assert set(again.outcomes.values()) == {"unchanged"}

    deployments = await server.deployments()
    assert deployments.keys() == {each.full_name for each in read_deployments([])}
    rma = deployments["rma-sync/scheduled"]
    assert rma["work_pool_name"] == "emag"
    assert [(each["slug"], each["active"]) for each in rma["schedules"]] == [
        ("every-quarter-hour", True)
    ]
    assert rma["global_concurrency_limit"]["limit"] == 1
    assert (await server.automations()).keys() == {each["name"] for each in read_automations()}

    await forbid_bad_values(server, deployments)

    # What a person does in the UI: switches a schedule off, adds one, silences an automation.
    schedule = rma["schedules"][0]["id"]
    await server.ask("PATCH", f"/deployments/{rma['id']}/schedules/{schedule}", {"active": False})
    by_hand = {"schedule": {"cron": "7 7 * * *", "timezone": "UTC"}, "active": True}
    await server.ask("POST", f"/deployments/{rma['id']}/schedules", [by_hand])
    late = (await server.automations())["emag-late-runs"]
    await server.ask("PATCH", f"/automations/{late['id']}", {"enabled": False})
    # What has come to differ from the files.
    await server.ask("PATCH", f"/deployments/{rma['id']}", {"description": "another"})

    after = await server.deploy("--json")

    assert after.outcomes["rma-sync/scheduled"] == "changed"
    assert "description" in after.details["rma-sync/scheduled"]
    assert "every-quarter-hour switched off by hand: left so" in after.details["rma-sync/scheduled"]
    assert "not in prefect.yaml: left there" in after.details["rma-sync/scheduled"]
    assert after.outcomes["emag-late-runs"] == "unchanged"
    assert "switched off by hand" in after.details["emag-late-runs"]
    rma = (await server.deployments())["rma-sync/scheduled"]
    assert {(each["slug"], each["active"]) for each in rma["schedules"]} == {
        ("every-quarter-hour", False),
        (None, True),
    }
    assert not (await server.automations())["emag-late-runs"]["enabled"]

    await notify_by_block(server)
    await schedule_accounts_apart(server)


SOME_DAYS = {"since": "2026-11-01", "until": "2026-11-03"}
WRONG_VALUES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "rma-sync": ({"limit": 0}, {"direction": "sideways"}, {"max_in_flight": 17}, {"acount": "x"}),
    "cancellation-sync": ({"unasked": "perhaps"}, {"account": 7}),
    "invoice-sync": ({"dry_run": "no"}, {"account": "eleven chars"}),
    "health-check": ({"pending_minutes": 0}, {"refused_days": 366}),
    "retention": ({"days": 29},),
    "backfill": (
        {},
        SOME_DAYS | {"since": "banana"},
        SOME_DAYS | {"since": "2010-12-31"},
        SOME_DAYS | {"until": "2026-13-01"},
        SOME_DAYS | {"max_in_flight": 1},
    ),
    "reconcile": ({"since": "yesterday"}, {"until": "1990-01-01"}, {"recount_minutes": -1}),
}


async def forbid_bad_values(server: Server, deployments: Mapping[str, Any]) -> None:
    """In every form, a value that can't be right is refused before any process starts."""
    given = {
        name: [*({"parameters": wrong} for wrong in values), {"dry_runs": True}]
        for name, values in WRONG_VALUES.items()
    }
    for deployment, found in deployments.items():
        for parameters in given[deployment.partition("/")[0]]:
            with pytest.raises(httpx.HTTPStatusError) as refused:
                await server.ask(
                    "POST",
                    f"/deployments/{found['id']}/create_flow_run",
                    {"parameters": parameters},
                )
            assert refused.value.response.status_code in (409, 422), parameters
    runs = await server.ask("POST", "/flow_runs/filter", {})
    assert all(run["auto_scheduled"] for run in runs)


async def notify_by_block(server: Server) -> None:
    """A block that is not there is said once all else is done; one that is sends every message."""
    late = (await server.automations())["emag-late-runs"]
    await server.ask("DELETE", f"/automations/{late['id']}")

    missing = await server.deploy("--json", EMAG_NOTIFY_BLOCK="slack-webhook/ops")

    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert missing.err.startswith(
        "emag-flows: EMAG_NOTIFY_BLOCK: the Prefect server has no block slack-webhook/ops;"
        " make a block of type slack-webhook and name ops at"
        f" {server.url.removesuffix('/api')}/blocks"
    )
    assert missing.outcomes["slack-webhook/ops"] == "missing"
    assert missing.outcomes["emag-late-runs"] == "created"
    [action] = (await server.automations())["emag-late-runs"]["actions"]
    assert action["type"] == "do-nothing"

    await server.ask("POST", "/block_types/install_system_block_types", {})
    kind = await server.ask("GET", "/block_types/slug/slack-webhook")
    schemas = await server.ask(
        "POST",
        "/block_schemas/filter",
        {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}},
    )
    block = {
        "name": "ops",
        "data": {"url": "https://hooks.example.com/x"},
        "block_schema_id": schemas[0]["id"],
        "block_type_id": kind["id"],
    }
    made = await server.ask("POST", "/block_documents/", block)

    told = await server.deploy("--json", EMAG_NOTIFY_BLOCK="slack-webhook/ops")
    again = await server.deploy("--json", EMAG_NOTIFY_BLOCK="slack-webhook/ops")

    names = [each["name"] for each in read_automations() if "notification" in each]
    assert {told.outcomes[name] for name in names} == {"changed"}, told.err
    assert {again.outcomes[name] for name in names} == {"unchanged"}
    automations = await server.automations()
    for automation in (automations[name] for name in names):
        [action] = [each for each in automation["actions"] if each["type"] == "send-notification"]
        assert action["block_document_id"] == made["id"]

    await stop_notifying(server, names)


async def stop_notifying(server: Server, names: Sequence[str]) -> None:
    """Without the setting our notifications go; what a person has added beside one stays."""
    late = (await server.automations())["emag-late-runs"]
    by_hand = {**late["actions"][0], "subject": "Call the night shift"}
    kept = {key: late[key] for key in ("name", "description", "enabled", "tags", "trigger")}
    added = {**kept, "actions": [*late["actions"], by_hand]}
    await server.ask("PUT", f"/automations/{late['id']}", added)

    without = await server.deploy("--json")
    again = await server.deploy("--json")

    assert {without.outcomes[name] for name in names} == {"changed"}
    assert {again.outcomes[name] for name in names} == {"unchanged"}
    automations = await server.automations()
    left = {name: automations[name]["actions"] for name in names}
    assert [each["subject"] for each in left.pop("emag-late-runs")] == ["Call the night shift"]
    assert {each["type"] for actions in left.values() for each in actions} == {"do-nothing"}
    told = {name: detail for name, detail in without.details.items() if "by hand" in detail}
    assert told["emag-late-runs"] == "notification added by hand: left so"
    assert not told.keys() & left.keys()


async def schedule_accounts_apart(server: Server) -> None:
    """Several accounts have schedules of their own; back to one, they are gone again."""
    accounts = json.dumps([{"name": "main", **ENTRY}, {"name": "fbe", **ENTRY}])
    several = await server.deploy("--json", EMAG_ACCOUNTS=accounts)

    assert several.outcomes["rma-sync/scheduled"] == "removed"
    assert several.outcomes["rma-sync/scheduled-fbe"] == "created"
    deployments = await server.deployments()
    assert {name for name in deployments if name.startswith("rma-sync")} == {
        "rma-sync/scheduled-main",
        "rma-sync/scheduled-fbe",
    }
    assert "health-check/scheduled" in deployments
    fbe = deployments["rma-sync/scheduled-fbe"]
    assert fbe["parameters"]["parameters"]["account"] == "fbe"
    assert fbe["schedules"][0]["schedule"]["cron"] == "5-50/15 * * * *"

    started = f"/deployments/{fbe['id']}/create_flow_run"
    for account in ("all", "main", "fbe"):
        await server.ask("POST", started, {"parameters": {"parameters": {"account": account}}})
    with pytest.raises(httpx.HTTPStatusError) as refused:
        await server.ask("POST", started, {"parameters": {"parameters": {"account": "nobody"}}})
    assert "nobody" in refused.value.response.text

    one = await server.deploy("--json")

    assert one.outcomes["rma-sync/scheduled-fbe"] == "removed"
    assert one.outcomes["rma-sync/scheduled"] == "created"


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
async def test_what_the_documents_wait_with_waits_for_a_server_that_is_not_up_yet() -> None:
    lines = DOCUMENT.read_text().splitlines()
    [first, second] = [line.removeprefix("$ ") for line in lines if line.startswith("$ curl ")]
    assert first.startswith(second)
    port = free_port()
    waiting = await asyncio.create_subprocess_exec(
        *("sh", "-c", second),
        env={**os.environ, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"},
        stdout=PIPE,
    )
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What is up halfway has an error to say first."""
        asked.append(await reader.readline())
        status = "503 Service Unavailable" if len(asked) == 1 else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\ntrue".encode())
        await writer.drain()
        writer.close()

    await asyncio.sleep(1)
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        out, _ = await waiting.communicate()

    assert (waiting.returncode, out) == (0, b"true")
    assert asked == [b"GET /api/health HTTP/1.1\r\n"] * 2


async def test_a_server_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    said = await Server(tmp_path, "http://127.0.0.1:9/api").deploy_by_program()

    assert (said.code, said.err.count("\n")) == (3, 1)
    assert "PREFECT_API_URL" in said.err


@pytest.mark.parametrize(
    ("cron", "minutes", "later"),
    [
        ("2-57/5 * * * *", 1, "3-58/5 * * * *"),
        ("2-57/5 * * * *", 3, "0-55/5 * * * *"),
        ("11-56/15 * * * *", 4, "0-45/15 * * * *"),
    ],
)
def test_an_account_runs_some_minutes_after_the_one_before(
    cron: str, minutes: int, later: str
) -> None:
    assert minutes_later(cron, minutes) == later


@pytest.mark.parametrize(
    ("accounts", "choice"),
    [([], None), (["main"], ["all", "main"]), (["main", "fbe"], ["all", "main", "fbe"])],
)
def test_every_form_that_asks_for_an_account_has_those_that_there_are_to_choose_from(
    accounts: list[str], choice: list[str] | None
) -> None:
    told = [
        fields["properties"]["account"].get("enum")
        for each in read_deployments(accounts)
        for fields in each.fields["parameter_openapi_schema"]["definitions"].values()
        if "account" in fields.get("properties", {})
    ]

    assert len(told) >= 6
    assert all(each == choice for each in told)


def test_every_scheduled_deployment_fits_its_flow() -> None:
    for each in read_deployments(["main", "fbe", "bg"]):
        parameters: Mapping[str, Any] = each.fields["parameters"]
        if each.schedules:
            each.flow.validate_parameters({**parameters})
