"""prefect.yaml means what it says: Prefect itself ignores a key that is misspelt."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from prefect import Flow
from pydantic import BaseModel, ConfigDict, Field

ROOT = Path(__file__).parents[1]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Schedule(Strict):
    cron: str
    timezone: Literal["Europe/Bucharest"]
    slug: str = Field(pattern=r"^[a-z-]+$")
    parameters: dict[str, Any] = {}


class ConcurrencyLimit(Strict):
    limit: Literal[1]
    collision_strategy: Literal["CANCEL_NEW"]
    grace_period_seconds: int = Field(ge=60, le=86400)


class Environment(Strict):
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: Literal["30"]


class JobVariables(Strict):
    env: Environment


class WorkPool(Strict):
    name: Literal["emag"]
    job_variables: JobVariables


class Deployment(Strict):
    name: Literal["scheduled"]
    entrypoint: str = Field(pattern=r"^flows\.deployed\.\w+$")
    description: str
    tags: list[str] = Field(min_length=1)
    parameters: dict[str, Any]
    enforce_parameter_schema: Literal[True]
    concurrency_limit: ConcurrencyLimit
    work_pool: WorkPool
    schedules: list[Schedule]

    @property
    def flow(self) -> Flow[..., Any]:
        module, _, name = self.entrypoint.rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        assert isinstance(flow, Flow)
        return flow


class WorkingDirectory(Strict):
    directory: str


class PullStep(Strict):
    set_working_directory: WorkingDirectory = Field(
        alias="prefect.deployments.steps.set_working_directory"
    )


class PrefectYaml(Strict):
    name: Literal["emag-flows"]
    definitions: dict[str, Any]
    pull: list[PullStep]
    deployments: list[Deployment]


INSTALLED = ROOT / "flows/prefect.yaml"
FILE = PrefectYaml.model_validate(yaml.safe_load(INSTALLED.read_text()))
EVERY = pytest.mark.parametrize("deployment", FILE.deployments, ids=lambda each: each.entrypoint)


def minutes(cron: str) -> set[int]:
    """The minutes of a cron: FROM-TO/STEP of every hour, or one of one hour a day or a week."""
    field, hour, *rest, weekday = cron.split()
    assert rest == ["*"] * 2
    assert weekday == "*" or (weekday.isdecimal() and hour != "*")
    assert hour == "*" or (field.isdecimal() and hour.isdecimal())
    span, _, step = field.partition("/")
    first, _, last = span.partition("-")
    return set(range(int(first), int(last or first) + 1, int(step or 1)))


def test_prefect_deploy_finds_in_the_root_what_is_installed() -> None:
    assert (ROOT / "prefect.yaml").resolve() == INSTALLED


def test_every_flow_is_deployed() -> None:
    names = {deployment.flow.name for deployment in FILE.deployments}

    assert names == {
        "rma-sync",
        "cancellation-sync",
        "invoice-sync",
        "health-check",
        "retention",
        "reconcile",
        "backfill",
    }


@EVERY
def test_parameters_fit_the_flow(deployment: Deployment) -> None:
    for schedule in deployment.schedules:
        deployment.flow.validate_parameters({**deployment.parameters, **schedule.parameters})


@EVERY
def test_the_form_explains_every_parameter(deployment: Deployment) -> None:
    forms = deployment.flow.parameters.definitions.values()

    fields = [field for form in forms for field in form.get("properties", {}).values()]
    assert fields
    assert all(field.get("description") for field in fields)


@EVERY
def test_flows_are_async(deployment: Deployment) -> None:
    assert deployment.flow.isasync


def test_no_two_schedules_share_a_minute_and_none_is_round() -> None:
    taken = [
        minute
        for deployment in FILE.deployments
        for schedule in deployment.schedules
        for minute in minutes(schedule.cron)
    ]

    assert len(taken) == len(set(taken))
    assert not {0, 15, 30, 45} & set(taken)


def test_no_developers_folder_is_written_into_it() -> None:
    (step,) = FILE.pull

    assert step.set_working_directory.directory == "{{ $EMAG_FLOWS_HOME }}"
