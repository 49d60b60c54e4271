"""Bring the work pool, the deployments and the automations to a Prefect server.

The files prefect.yaml and automations.yaml beside this module say what is to be there. What a
person has switched off or on in the UI, or added there, stays as it is, and is told.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from flows.approving import EVERY_ACCOUNT
from integrations.settings import ConfigurationError

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.events.schemas.automations import Automation

DEPLOYMENTS_FILE = "prefect.yaml"
AUTOMATIONS_FILE = "automations.yaml"

POOL = "emag"
PARAMETERS = "parameters"
SCHEDULED = "scheduled"

# What each account gets deployments of its own for, where there is more than one.
SYNCS = frozenset({"rma-sync", "cancellation-sync", "invoice-sync"})


class DeployError(Exception):
    """The server can't be given what the files say; one line with the remedy."""


class Outcome(StrEnum):
    """What became of one thing."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    MISSING = "missing"


@dataclass(frozen=True)
class Done:
    """A line of the table: what, its name, what became of it, and what else is to be said."""

    what: str
    name: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Wanted:
    """A deployment as the file wants it."""

    flow: Flow[..., Any]
    name: str
    fields: Mapping[str, Any]
    schedules: Mapping[str, Mapping[str, Any]]
    limit: int

    @property
    def full_name(self) -> str:
        """As Prefect names it: flow and deployment."""
        return f"{self.flow.name}/{self.name}"


async def deploy(accounts: Sequence[str], notify_block: str | None) -> list[Done]:
    """Bring everything to the server at PREFECT_API_URL.

    Args:
        accounts: names of the configured accounts; the syncs of several are scheduled apart.
        notify_block: the block that sends notifications, "slack-webhook/ops".

    A block that is not there is told as missing, and the automations come without notifications:
    the syncs' schedule must not hang on who is told of it.

    Raises:
        DeployError: the server does not answer, or refuses something.
    """
    async with _client() as client:
        done = [await _deploy_pool(client)]
        wanted = read_deployments(accounts)
        done += [await _deploy_one(client, each) for each in wanted]
        done += await _remove_others(client, wanted)
        block = await _find_block(client, notify_block) if notify_block else None
        if notify_block and block is None:
            done.append(Done("block", notify_block, Outcome.MISSING, _how_to_make(notify_block)))
        for entry in read_automations():
            done.append(await _deploy_automation(client, entry, block))
        return done


@asynccontextmanager
async def _client() -> AsyncIterator[PrefectClient]:
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigurationError(
            "PREFECT_API_URL", "is not set", "set it to the address of a Prefect server"
        )
    try:
        async with get_client() as client:
            yield client
    except PrefectHTTPStatusError as error:
        lines = error.response.text.splitlines()
        said = f"{error.response.status_code}: {lines[0][:300] if lines else ''}"
        raise DeployError(f"the Prefect server at {url} refused something ({said})") from error
    except (httpx.HTTPError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "reach API" not in str(error):
            raise
        raise DeployError(
            f"the Prefect server at {url} does not answer: start it, or set PREFECT_API_URL"
        ) from error


def read_deployments(accounts: Sequence[str]) -> list[Wanted]:
    """What prefect.yaml wants; with several accounts, each sync once for each of them."""
    file = _read(DEPLOYMENTS_FILE)
    return [
        _wanted(entry, file["pull"], accounts)
        for each in file["deployments"]
        for entry in _for_accounts(each, accounts)
    ]


def read_automations() -> list[dict[str, Any]]:
    """What automations.yaml wants."""
    entries: list[dict[str, Any]] = _read(AUTOMATIONS_FILE)["automations"]
    return entries


def _read(file: str) -> dict[str, Any]:
    """A file that is installed with us, wherever that is."""
    content: dict[str, Any] = yaml.safe_load((files("flows") / file).read_text())
    return content


def _flow(entrypoint: str) -> Flow[..., Any]:
    module, _, name = entrypoint.rpartition(".")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), name)
    return flow


def _for_accounts(entry: Mapping[str, Any], accounts: Sequence[str]) -> list[dict[str, Any]]:
    """A sync of several accounts becomes one for each, every account a minute after the last.

    A run then waits for nobody else's eMAG, and schedule, pace and history are the account's own.
    """
    if len(accounts) < 2 or _flow(entry["entrypoint"]).name not in SYNCS:
        return [dict(entry)]
    return [_for_account(entry, account, place) for place, account in enumerate(accounts)]


def _for_account(entry: Mapping[str, Any], account: str, place: int) -> dict[str, Any]:
    made: dict[str, Any] = deepcopy(dict(entry))
    made["name"] = f"{SCHEDULED}-{account}"
    made["description"] = f"{made['description'].rstrip('.')} Account {account}."
    made["tags"] = [*made["tags"], f"account {account}"]
    made[PARAMETERS][PARAMETERS]["account"] = account
    for schedule in made["schedules"]:
        schedule["cron"] = minutes_later(schedule["cron"], place)
    return made


def minutes_later(cron: str, minutes: int) -> str:
    """A schedule FROM-TO/STEP of every hour so many minutes later, within its step."""
    first, last, step, rest = re.fullmatch(r"(\d+)-(\d+)/(\d+)( .*)", cron).groups()  # type: ignore[union-attr]
    begin = (int(first) + minutes) % int(step)
    return f"{begin}-{begin + int(last) - int(first)}/{step}{rest}"


def _form(flow: Flow[..., Any], accounts: Sequence[str]) -> dict[str, Any]:
    """The flow's form, in which one of the accounts that there are is chosen, or all."""
    from prefect.utilities.callables import parameter_schema

    form: dict[str, Any] = deepcopy(parameter_schema(flow).model_dump_for_openapi())
    form["additionalProperties"] = False
    for fields in form.get("definitions", {}).values():
        account = fields.get("properties", {}).get("account")
        if account and accounts:
            account["enum"] = [EVERY_ACCOUNT, *accounts]
    return form


def _wanted(entry: Mapping[str, Any], pull: Any, accounts: Sequence[str]) -> Wanted:
    flow = _flow(entry["entrypoint"])
    limit = entry["concurrency_limit"]
    fields = {
        "description": entry["description"],
        "tags": entry["tags"],
        "parameters": entry[PARAMETERS],
        "enforce_parameter_schema": entry["enforce_parameter_schema"],
        "parameter_openapi_schema": _form(flow, accounts),
        "entrypoint": entry["entrypoint"],
        "work_pool_name": entry["work_pool"]["name"],
        "job_variables": entry["work_pool"].get("job_variables", {}),
        "pull_steps": pull,
        "concurrency_options": {
            "collision_strategy": limit["collision_strategy"],
            "grace_period_seconds": limit["grace_period_seconds"],
        },
    }
    schedules = {
        each["slug"]: {"cron": each["cron"], "timezone": each["timezone"], "day_or": True}
        for each in entry["schedules"]
    }
    return Wanted(flow, entry["name"], fields, schedules, limit["limit"])


async def _deploy_pool(client: PrefectClient) -> Done:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    try:
        pool = await client.read_work_pool(POOL)
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        return Done("work pool", POOL, Outcome.CREATED)
    kept = "paused by hand: left so" if pool.is_paused else ""
    return Done("work pool", POOL, Outcome.UNCHANGED, kept)


async def _deploy_one(client: PrefectClient, wanted: Wanted) -> Done:
    from prefect.exceptions import ObjectNotFound

    try:
        found = await client.read_deployment_by_name(wanted.full_name)
    except ObjectNotFound:
        await _create(client, wanted)
        return Done("deployment", wanted.full_name, Outcome.CREATED)
    changed = _differences(found, wanted)
    if changed:
        await _update(client, found, wanted)
    changed += await _deploy_schedules(client, found, wanted)
    outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
    told = ", ".join(changed)
    return Done(
        "deployment",
        wanted.full_name,
        outcome,
        "; ".join(filter(None, [told, *_kept(found, wanted)])),
    )


async def _create(client: PrefectClient, wanted: Wanted) -> None:
    schedules = [
        {"schedule": schedule, "active": True, "slug": slug}
        for slug, schedule in wanted.schedules.items()
    ]
    flow_id = await client.create_flow_from_name(wanted.flow.name)
    body = {
        **wanted.fields,
        "name": wanted.name,
        "flow_id": str(flow_id),
        "concurrency_limit": wanted.limit,
        "schedules": schedules,
    }
    await client.request("POST", "/deployments/", json=body)


async def _update(client: PrefectClient, found: DeploymentResponse, wanted: Wanted) -> None:
    """Change all but the schedules: those have switches that are a person's."""
    body = {**wanted.fields, "concurrency_limit": wanted.limit}
    await client.request("PATCH", "/deployments/{id}", path_params={"id": str(found.id)}, json=body)


def _differences(found: DeploymentResponse, wanted: Wanted) -> list[str]:
    """The names of fields that are not as wanted."""
    there = found.model_dump(mode="json")
    there["tags"] = sorted(there["tags"])
    limit = found.global_concurrency_limit.limit if found.global_concurrency_limit else None
    changed = [
        name
        for name, value in wanted.fields.items()
        if there[name] != (sorted(value) if name == "tags" else value)
    ]
    return changed + ["concurrency_limit"] * (limit != wanted.limit)


async def _deploy_schedules(
    client: PrefectClient, found: DeploymentResponse, wanted: Wanted
) -> list[str]:
    """Make or change schedules by their slugs; whether one is active is never touched."""
    from prefect.client.schemas.schedules import CronSchedule

    there = {each.slug: each for each in found.schedules}
    told = []
    for slug, schedule in wanted.schedules.items():
        known = there.get(slug)
        made = CronSchedule(**schedule)
        if known is None:
            body = [{"schedule": schedule, "active": True, "slug": slug}]
            await client.request(
                "POST", "/deployments/{id}/schedules", path_params={"id": str(found.id)}, json=body
            )
            told.append(f"schedule {slug} added")
        elif known.schedule.model_dump(mode="json") != made.model_dump(mode="json"):
            await client.update_deployment_schedule(found.id, known.id, schedule=made)
            told.append(f"schedule {slug}")
    return told


def _kept(found: DeploymentResponse, wanted: Wanted) -> list[str]:
    """What a person has set in the UI and the file would have otherwise."""
    told = ["paused by hand: left so"] if found.paused else []
    for each in found.schedules:
        if each.slug not in wanted.schedules:
            told.append(f"schedule {each.slug or each.id} is not in prefect.yaml: left there")
        elif not each.active:
            told.append(f"schedule {each.slug} switched off by hand: left so")
    return told


async def _remove_others(client: PrefectClient, wanted: Sequence[Wanted]) -> list[Done]:
    """Remove what was deployed for an account that is no more, or for all of them together."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowFilter,
        FlowFilterName,
    )

    names = {each.full_name for each in wanted}
    flows = {each.flow.name for each in wanted} & SYNCS
    done = []
    for flow in sorted(flows):
        there = await client.read_deployments(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(like_=SCHEDULED)),
        )
        for each in there:
            ours = each.name == SCHEDULED or each.name.startswith(f"{SCHEDULED}-")
            if ours and each.work_pool_name == POOL and f"{flow}/{each.name}" not in names:
                await client.delete_deployment(each.id)
                done.append(Done("deployment", f"{flow}/{each.name}", Outcome.REMOVED))
    return done


async def _find_block(client: PrefectClient, name: str) -> str | None:
    from prefect.exceptions import ObjectNotFound

    kind, _, block = name.partition("/")
    try:
        found = await client.read_block_document_by_name(block, kind, include_secrets=False)
    except ObjectNotFound:
        return None
    return str(found.id)


def _how_to_make(name: str) -> str:
    from prefect.settings import PREFECT_UI_URL

    kind, _, block = name.partition("/")
    return (
        f"make a block of type {kind} and name {block} at {PREFECT_UI_URL.value()}/blocks, or"
        " correct the name, then `emag-flows deploy` or `up` again; until then nobody is notified"
    )


async def _deploy_automation(
    client: PrefectClient, entry: Mapping[str, Any], block: str | None
) -> Done:
    from prefect.events.schemas.automations import AutomationCore

    name = entry["name"]
    there = [each for each in await client.read_automations_by_name(name) if each.name == name]
    actions = _actions(entry, block)
    fields = {**{key: entry[key] for key in ("name", "description", "trigger")}, "tags": ["emag"]}
    if not there:
        made = AutomationCore.model_validate({**fields, "actions": actions})
        await client.create_automation(made)
        return Done("automation", name, Outcome.CREATED, _harmless(actions))
    found = there[0]
    kept = [] if found.enabled else ["switched off by hand: left so"]
    if block is None and (by_hand := _by_hand(found, entry)):
        kept.append("notification added by hand: left so")
        actions = by_hand
    made = AutomationCore.model_validate({**fields, "actions": actions, "enabled": found.enabled})
    same = _plain(found) == _plain(made)
    if not same:
        await client.update_automation(found.id, made)
    outcome = Outcome.UNCHANGED if same else Outcome.CHANGED
    return Done("automation", name, outcome, "; ".join(filter(None, [_harmless(actions), *kept])))


def _actions(entry: Mapping[str, Any], block: str | None) -> list[dict[str, Any]]:
    """The file's actions and, where there is a block for it, the notification."""
    actions = [dict(action) for action in entry["actions"]]
    if block is not None and "notification" in entry:
        actions.append(
            {"type": "send-notification", "block_document_id": block, **entry["notification"]}
        )
    return actions or [{"type": "do-nothing"}]


def _harmless(actions: Sequence[Mapping[str, Any]]) -> str:
    if [action["type"] for action in actions] == ["do-nothing"]:
        return "tells nobody: name a block in EMAG_NOTIFY_BLOCK, or add a notification in the UI"
    return ""


def _by_hand(automation: Automation, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The actions that a person has made of it, whose notification is not the file's; or none."""
    ours = {"type": "send-notification", **entry.get("notification", {})}
    others = [
        action
        for action in _plain(automation)["actions"]
        if "notification" not in entry or not ours.items() <= action.items()
    ]
    return others if any(each["type"] == "send-notification" for each in others) else []


def _plain(automation: Any) -> dict[str, Any]:
    """An automation's own fields as JSON, without the numbers that the server gives."""
    plain: dict[str, Any] = automation.model_dump(
        mode="json", include={"name", "description", "enabled", "tags", "trigger", "actions"}
    )
    plain["trigger"] = {
        key: sorted(value) if isinstance(value, list) else value  # sets, in any order
        for key, value in plain["trigger"].items()
        if key != "id"
    }
    return plain
