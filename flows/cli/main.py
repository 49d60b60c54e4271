"""Where `emag-flows` begins: finds the command, and says in one line what went wrong."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import Abort, TyperException

from flows.cli.interruption import INTERRUPTED, say_interrupted
from flows.garbage import look_seldom

FAULT = 1
USAGE = 2

OF_PYDANTIC = "Value error, "  # before what a check has to say
NO_RIGHT = "42501"  # PostgreSQL's insufficient_privilege

# By name: importing every class that might be raised would cost each command half a second.
EXIT_CODES: Mapping[str, int] = {
    "integrations.settings.errors.ConfigurationError": 2,
    "integrations.embedded.errors.EmbeddedError": 2,
    "flows.database.DatabaseUnreachableError": 3,
    "psycopg.errors.InsufficientPrivilege": 3,
    "migrations.run.UpgradeError": 3,
    "psycopg.OperationalError": 3,
    "psycopg.InterfaceError": 3,
    "flows.deployed.EmagUnreachableError": 3,
    "flows.deployed.UnhealthyError": 1,
    "flows.deploy.DeployError": 3,
    "flows.pausing.ApprovalNeededError": 1,
    "integrations.sync.storing.StoringError": 3,
    "flows.prefect_server.PrefectServerError": 3,
}

# Packages whose errors are the database's.
DRIVERS = ("psycopg", "sqlalchemy")

# Nobody takes the output: a full disk, or a reader that has gone.
NOT_TAKEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EPIPE})

# Errors of ours that repeat what the database's driver said.
OF_THE_DRIVER = frozenset({"migrations.run.UpgradeError"})

# What a company's proxy is never asked for: servers on this very host.
THIS_HOST = ("127.0.0.1", "localhost", "::1")


class Command(NamedTuple):
    """Where a command is defined, so that only the one that is called gets imported."""

    place: str
    help: str


COMMANDS: Mapping[str, Command] = {
    "demo": Command("flows.cli.demo:demo", "Watch a shop's day go to eMAG, all on this machine."),
    "up": Command("flows.cli.up:up", "Everything on this machine, from nothing, until Ctrl-C."),
    "deploy": Command("flows.cli.deploy:deploy", "Set up an existing Prefect server."),
    "run": Command("flows.cli.run:run", "Run a sync or the health check now."),
    "api": Command("flows.cli.api:api", "Serve the HTTP endpoints."),
    "doctor": Command("flows.cli.doctor:doctor", "First contact with a real shop, step by step."),
    "status": Command("flows.cli.status:status", "How many rows stand where."),
    "inbox": Command("flows.cli.inbox:inbox", "What needs a person, and why."),
    "replay": Command("flows.cli.replay:replay", "Try refused or doubtful rows again."),
    "adopt": Command("flows.cli.adopt:adopt", "Queue rows from before the installation."),
    "backfill": Command("flows.cli.backfill:backfill", "Bring in what happened at eMAG before."),
    "reconcile": Command(
        "flows.cli.reconcile:reconcile", "Compare eMAG with the ERP, and certify it."
    ),
    "calls": Command("flows.cli.calls:calls", "The record of requests to eMAG."),
    "retention": Command("flows.cli.retention:retention", "Drop the call record's old days."),
    "db": Command("flows.cli.db:db", "Set up and check the database."),
    "sandbox": Command(
        "integrations.sandbox.command:sandbox_command", "Run a faithful eMAG on this machine."
    ),
}


class _Commands(TyperGroup):
    """Lists the commands from the table; loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            self.add_command(TyperCommand(name, help=command.help, callback=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name else None, rest


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    help="Keeps an ERP on PostgreSQL and the eMAG marketplace agreed.",
)


@app.callback()
def _root() -> None:
    """Take no options of our own: settings come from the environment and `.env`."""


def main() -> None:
    """The program `emag-flows`."""
    look_seldom()
    _reach_this_host_directly()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(_written(answer(sys.argv[1:])))


def _reach_this_host_directly() -> None:
    """For Prefect's clients, ours and those of the processes that we start."""
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join(filter(None, [excepted, *THIS_HOST]))


def _written(code: int) -> int:
    """The exit code, once what was printed has left this process."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Python would try again at its end, and say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        failed = _failed(error)
        return code or failed
    return code


def answer(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code (0 well, 1 rows need a person, 2 usage, 3 unreachable)."""
    command = typer.main.get_command(app)
    try:
        code = command.main(
            list(arguments) or ["--help"], prog_name="emag-flows", standalone_mode=False
        )
    except TyperException as error:
        said = error.format_message().replace(OF_PYDANTIC, "").rstrip(".")
        return _say(f"{said}; see `{_path(error)} --help`", USAGE)
    except Abort:
        code = INTERRUPTED
    except Exception as error:
        return _failed(_innermost(error))
    return say_interrupted() if code == INTERRUPTED else int(code or 0)


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name].place.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        found = single
    return typer.main.get_command(found)


def _path(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "emag-flows"


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _failed(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in NOT_TAKEN:
        where = error.filename or "the output"
        return _say(f"{where} could not be written: {error.strerror}", FAULT)
    for each in type(error).__mro__:
        name = _name(each)
        if name in EXIT_CODES:
            return _say(_message(error), EXIT_CODES[name])
    logging.getLogger("emag.cli").error("a fault of emag-flows itself", exc_info=error)
    return FAULT


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _message(error: Exception) -> str:
    """What a person is told: of what the driver says its first line, the others may hold values."""
    from integrations.settings import without_password

    if _name(type(error)) in OF_THE_DRIVER:
        return without_password(str(error))
    if not any(each.__module__.startswith(DRIVERS) for each in type(error).__mro__):
        return str(error)
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    said = without_password(first)
    if getattr(error, "sqlstate", None) == NO_RIGHT:
        return (
            f"the role of DATABASE_URL lacks a right ({said}): run `emag-flows db check`, which"
            " names the GRANT"
        )
    return (
        f"the database failed ({said}): see that it runs and repeat the command,"
        " which goes on where this one stopped"
    )


def _say(text: str, code: int) -> int:
    print(f"emag-flows: {' '.join(text.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
