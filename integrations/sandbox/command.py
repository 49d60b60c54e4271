"""`emag-flows sandbox`: run the sandbox from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from integrations.sandbox.fault_plan import Plan, read_plan
from integrations.sandbox.market import Market
from integrations.sandbox.server import API_PATH, run_server
from integrations.sandbox.shop import populate
from integrations.sandbox.state import DEFAULT_CREDENTIALS
from integrations.sandbox.switches import Switches, changed


def sandbox_command(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Which invented shop: the same seed, the same.")] = 1,
    orders: Annotated[
        int, typer.Option(help="How many orders the shop has.", min=0, max=1_000_000)
    ] = 200,
    switch: Annotated[
        list[str] | None,
        typer.Option(help="A switch as NAME=VALUE; may be repeated. See docs/sandbox.md."),
    ] = None,
    switches: Annotated[
        Path | None, typer.Option(help="A JSON file of switches.", exists=True, dir_okay=False)
    ] = None,
    faults: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file of faults, and switches. See docs/sandbox.md.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Run a faithful eMAG marketplace on this machine until Ctrl-C."""
    try:
        plan = _plan(faults)
        market = Market(_switches(switches, plan, switch or []), seed=seed)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from None
    populate(market, seed=seed, orders=orders)
    market.faults.load(plan.faults)
    try:
        run_server(port, market, _announce)
    except OSError as problem:
        raise typer.BadParameter(f"port {port}: {problem.strerror}") from None


def _announce(base_url: str) -> None:
    host = base_url.removesuffix(API_PATH)
    login, password = next(iter(DEFAULT_CREDENTIALS.items()))
    typer.echo(f"eMAG sandbox    {base_url}")
    typer.echo(f"user, password  {login}  {password}")
    typer.echo(f"journal         curl {host}/sandbox/journal")
    typer.echo(f"switches        curl {host}/sandbox/switches")
    typer.echo(f"faults          curl {host}/sandbox/faults")
    typer.echo("Ctrl-C ends it; nothing is kept.")


def _plan(file: Path | None) -> Plan:
    if file is None:
        return Plan()
    try:
        return read_plan(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise ValueError(f"{file}: {problem}") from None


def _switches(file: Path | None, plan: Plan, settings: list[str]) -> Switches:
    """The switches of both files, and over them those of the command line."""
    given: dict[str, Any] = {}
    if file is not None:
        try:
            given = json.loads(file.read_bytes())
        except (OSError, ValueError) as problem:
            raise ValueError(f"{file}: this is not JSON: {problem}") from None
        if not isinstance(given, dict):
            raise ValueError(f"{file} must hold a JSON object")
    given |= plan.switches
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--switch {setting}: write NAME=VALUE")
        given[name] = _value(name, value)
    return changed(Switches(), given)


def _value(name: str, text: str) -> Any:
    """JSON where it is JSON, else the text itself; of a switch that takes texts, always a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    takes_texts = isinstance(getattr(Switches, name, None), str)
    return text if takes_texts and not isinstance(value, str) else value
