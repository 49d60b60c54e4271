"""`emag-flows api`: the HTTP endpoints until Ctrl-C, or where eMAG's callbacks go."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from flows.cli.console import begin, console
from integrations.settings import Settings


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    callbacks: Annotated[
        bool,
        typer.Option("--callbacks", help="Only print the callback addresses, with their secrets."),
    ] = False,
) -> int:
    """Serve the HTTP endpoints to the seller's programs, and callbacks and documents to eMAG."""
    from flows.exposure import complaints, require_token
    from flows.listening import listening

    settings = begin()
    if callbacks:
        return asyncio.run(_print_callbacks(settings))
    require_token(settings, host)
    for complaint in complaints(settings):
        print(complaint, file=sys.stderr)
    with listening(host, port) as sockets:
        return asyncio.run(_serve(settings, host, sockets))


async def _serve(settings: Settings, host: str, sockets: Sequence[socket.socket]) -> int:
    from flows.api import make_server, open_context, told_callbacks, up_to_date
    from integrations.web.app import create_app

    screen = console()
    async with open_context(settings) as context:
        port = sockets[0].getsockname()[1]
        app = create_app(context)
        server = make_server(app, host, port)
        screen.print(f"endpoints       http://{host}:{port}/api/v1/emag  (OpenAPI at /docs)")
        for line in told_callbacks(settings):
            screen.print(f"callbacks       {line}", soft_wrap=True)
        screen.print("Ctrl-C ends it.")
        async with up_to_date(app, settings, host):
            await server.serve(sockets=list(sockets))
    return 0


async def _print_callbacks(settings: Settings) -> int:
    from flows.api import callback_urls, open_context

    async with open_context(settings) as context:
        for account, urls in callback_urls(context).items():
            for url in urls:
                print(f"callback {account:<7}{url}")
    return 0
