"""`hookline listen`: a small receiver that shows each webhook, for trials behind a tunnel. It stores nothing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import Annotated

import msgspec
import typer
from aiohttp import web
from msgspec import structs

from broker.queue.batch import RawBody
from launcher.commands.body_file import CommandLineError, SourceOption, event_hint
from launcher.commands.chosen_source import chosen_source
from launcher.commands.listen.received import Received, lines, received
from launcher.commands.verify.diagnosis import Subject
from launcher.commands.verify.verify import subject_of
from launcher.composition.up import with_secrets
from launcher.config.config import Config
from launcher.errors import ListenError
from receiver import responses
from receiver.ingress.kept_headers import KeptHeaders
from receiver.webhooks import PREFIX
from runtime.clock import now_ms
from runtime.listening_socket import listen as listening_socket
from runtime.terminal_text import printable_json
from sources.signed_request import SignedRequest


class Listener:
    """Answers the requests to one source as the receiver would, and prints each."""

    def __init__(self, config: Config, source: str, subject: Subject, *, as_json: bool) -> None:
        self._config = config
        self._source = source
        self._subject = subject
        self._as_json = as_json
        self._kept_headers = KeptHeaders(config.receiver.kept_headers, of_provider=subject.kind.kept_headers)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Check a request, print the outcome, and answer."""
        if request.path.rstrip("/") != PREFIX + self._source:
            _print(f"{_time_of_day()}  {request.method} to another path, answered 404")
            return responses.error(404, f"POST to {PREFIX}{self._source}")
        body = await request.read()
        try:
            hint = event_hint(request.query.get("event", ""))
        except CommandLineError as error:
            return responses.error(400, str(error))
        raw = RawBody(now_ms(), self._source, hint, body, self._kept_headers.of(request.headers))
        url = self._config.receiver.public_url.rstrip("/") + request.raw_path
        signed = SignedRequest(body, request.headers, request.method, url, time.time())
        # In a thread: a body that does not verify is tried in many forms.
        report, answer = await asyncio.to_thread(
            received, self._config, self._subject, raw, signed, str(request.url)
        )
        self._print(report)
        if answer is not None:
            return responses.handshake(answer)
        if report.failed is not None:
            return responses.error(report.status, report.failed.text)
        return responses.accepted(report.status, self._subject.kind.success_body)

    def _print(self, report: Received) -> None:
        if self._as_json:
            _print(printable_json(msgspec.json.encode(report)).decode())
        else:
            _print("\n".join(lines(report, _time_of_day())))


def listen(
    ctx: typer.Context,
    *,
    source: SourceOption = "",
    provider: Annotated[
        str, typer.Option(help="Kind instead of a source; works without a config.", show_default=False)
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; default: the receiver's.", show_default=False)
    ] = None,
    public_url: Annotated[
        str, typer.Option(help="Beginning of the tunnel's URL, for providers that sign it; default: the config's.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each webhook.")] = False,
) -> None:
    """Show each webhook as it arrives: verified or why not, its event and identity, and the rules that match.

    For use behind a tunnel. It answers as the receiver would, stores nothing and sends nothing, so do not leave it
    in place of a receiver. The addresses of the source are not checked, since all requests come from the tunnel.
    Ctrl-C stops it.

    Example: hookline listen --provider github
    """
    config, name = chosen_source(ctx.obj.config, source, provider)
    config = _with_secret(config, name)
    if public_url:
        config = structs.replace(config, receiver=structs.replace(config.receiver, public_url=public_url))
    subject = subject_of(config, name)
    if subject.kind.signs_url and not config.receiver.public_url:
        raise CommandLineError(f"{subject.kind.title} signs the URL: give the tunnel's with --public-url")
    listener = Listener(config, name, subject, as_json=as_json)
    asyncio.run(_serve(listener, config, name, host, config.receiver.port if port is None else port))


def _with_secret(config: Config, name: str) -> Config:
    """The config whose source has a secret: the configured one, or one of its own. Raises LauncherError."""
    alone = structs.replace(config, sources={name: config.sources[name]})
    secrets = with_secrets(alone, lambda line: typer.echo(line, err=True)).sources
    return structs.replace(config, sources={**config.sources, **secrets})


async def _serve(listener: Listener, config: Config, source: str, host: str, port: int) -> None:
    app = web.Application(client_max_size=config.receiver.max_body_bytes)
    app.router.add_route("*", "/{path:.*}", listener.respond)
    try:
        opened = listening_socket(host, port)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another --port"
        ) from None
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        await web.SockSite(runner, opened).start()
        typer.echo(
            f"Listening on http://{host}:{opened.getsockname()[1]}{PREFIX}{source}; Ctrl-C stops it.", err=True
        )
        await stop.wait()
    finally:
        await runner.cleanup()


def _time_of_day() -> str:
    return time.strftime("%H:%M:%S")


def _print(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
