"""`hookline send`: sends signed sample webhooks, to try out a config and to generate load."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from launcher.commands.chosen_source import chosen_source
from launcher.commands.send.delivery_plan import Plan, deliveries
from launcher.commands.send.load_generator import Tally, Target, UnreachableError, send_all
from launcher.commands.signing_secret import SigningError, signing_secret
from launcher.config.config import Config
from launcher.errors import LauncherError
from receiver.settings import Settings as ReceiverSettings
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.source_kinds import provider_of
from sources.url_event import query


class SendError(LauncherError):
    """The options of the command cannot be used."""

    exit_code = 2


def send(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    *,
    url: Annotated[str, typer.Option(help="Target address; default: the configured receiver.")] = "",
    source: Annotated[
        str,
        typer.Option(help="Source of the webhooks; default: the first one.", show_default=False),
    ] = "",
    provider: Annotated[
        str, typer.Option(help="Kind instead of a source, if one source has it.", show_default=False)
    ] = "",
    event: Annotated[
        str, typer.Option(help="Event name of the samples; default: one of the provider's.", show_default=False)
    ] = "",
    count: Annotated[int, typer.Option(min=1, help="Webhooks to send.")] = 1,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Webhooks per second; default: no limit.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Connections at a time.")] = 16,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Send this body unchanged instead of samples.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send no envelope; the URL names the event.")] = False,
    duplicates: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of exact repeats of an earlier body.")
    ] = 0.0,
    invalid: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of webhooks with a wrong signature.")
    ] = 0.0,
    seed: Annotated[
        int | None, typer.Option(help="The same seed sends the same webhooks; default: random.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds to wait for a response.")] = 10.0,
    retries: Annotated[int, typer.Option(min=0, help="Further tries after 503 or no response.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send signed sample webhooks, or a file, as a provider would.

    The exit code is 0 if every response was as expected: the status that the provider takes as success, such as
    202, or 401 for --invalid.

    Example: hookline send --provider github --event push
    """
    config, source, kind, secret = _signer(ctx.obj.config, source, provider)
    event = event or kind.sample_event
    if raw and kind.url_event(b"{}", event) == "ignored":
        raise SendError(f"--raw: the URL never names an event of {kind.title}")
    address = _address(url or receiver_url(config.receiver), source, query(event, secret, source) if raw else "")
    plan = Plan(
        kind=kind,
        secret=secret,
        wrong_secret=Secret(kind.new_secret()),
        event=event,
        url=_signed_url(config.receiver.public_url, address),
        count=count,
        body=file.read_bytes() if file else None,
        raw=raw,
        duplicates=duplicates,
        invalid=invalid,
        seed=secrets.randbits(64) if seed is None else seed,
    )
    try:
        kind.sign(SignedRequest(b"", {}), secret)
    except SignatureError as error:
        raise SendError(f"--source {source}: cannot sign samples of {kind.title}: {error}") from None
    target = Target(
        url=address,
        concurrency=min(concurrency, count),
        rate_per_s=rate,
        timeout_s=timeout,
        retries=retries,
    )
    tally = Tally(str(kind.success_status))
    code = _run(plan, target, tally)
    sys.stdout.write(as_line(tally) if as_json else as_text(tally))
    raise typer.Exit(code)


def _signer(config: Config, source: str, provider: str) -> tuple[Config, str, Provider, Secret]:
    """(config, source, its provider, the secret that signs its webhooks). Raises LauncherError."""
    configured = config.sources
    config, name = chosen_source(config, source or ("" if provider else next(iter(configured))), provider)
    kind = provider_of(config.sources[name])
    try:
        return config, name, kind, signing_secret(config, name) if kind.authenticates else Secret("")
    except SigningError:
        if config.sources is configured:
            raise
        raise SendError(
            f"--provider {provider}: no source has this kind, and so no secret to sign with: `hookline init "
            f"{provider}` writes a config, and `hookline listen --provider {provider}` makes a secret"
        ) from None


def receiver_url(settings: ReceiverSettings) -> str:
    """The address of a receiver with these settings, as seen from its own machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def as_line(tally: Tally) -> str:
    """The summary as one line of JSON."""
    latencies = tally.latencies
    summary = {
        "sent": tally.sent,
        "answers": dict(sorted(tally.answers.items())),
        "unexpected": tally.unexpected,
        "repeated": tally.repeated,
        "invalid": tally.invalid,
        "retried": tally.retried,
        "accepted_events": tally.accepted_events,
        "seconds": round(tally.seconds, 3),
        "rate_per_s": round(tally.rate_per_s, 1),
        "longest_without_202_s": round(tally.longest_without_202_s, 3),
        "latency_ms": {
            "p50": round(latencies.percentile(0.50), 3),
            "p95": round(latencies.percentile(0.95), 3),
            "p99": round(latencies.percentile(0.99), 3),
            "max": round(latencies.max_ms, 3),
        },
    }
    return msgspec.json.encode(summary).decode() + "\n"


def as_text(tally: Tally) -> str:
    """The summary as text."""
    latencies = tally.latencies
    answers = ", ".join(f"{count:,} x {answer}" for answer, count in sorted(tally.answers.items())) or "nothing"
    conclusion = f"{tally.unexpected:,} not as expected" if tally.unexpected else "all as expected"
    retried = f", tried again {tally.retried:,}" if tally.retried else ""
    percentiles = ", ".join(
        f"p{share:.0%}"[:-1] + f" {latencies.percentile(share):.1f}" for share in (0.5, 0.95, 0.99)
    )
    return (
        f"sent      {tally.sent:,} in {tally.seconds:.2f} s ({tally.rate_per_s:,.0f}/s)\n"
        f"answers   {answers}: {conclusion}{retried}\n"
        f"events    {tally.accepted_events:,} accepted; "
        f"repeated {tally.repeated:,}, wrong signature {tally.invalid:,}\n"
        f"latency   {percentiles}, max {latencies.max_ms:.1f} ms\n"
    )


def _run(plan: Plan, target: Target, tally: Tally) -> int:
    try:
        uvloop.run(_send_with_progress(plan, target, tally))
    except UnreachableError as error:
        raise UnreachableError(f"{error}. Start one: hookline up") from None
    except KeyboardInterrupt:
        return 130
    return 1 if tally.unexpected else 0


async def _send_with_progress(plan: Plan, target: Target, tally: Tally) -> None:
    if not sys.stderr.isatty() or plan.count == 1:
        await send_all(target, deliveries(plan), tally)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=plan.count, rate="")
        drawing = asyncio.create_task(_draw(bar, task, tally))
        try:
            await send_all(target, deliveries(plan), tally)
        finally:
            drawing.cancel()


async def _draw(bar: Progress, task: object, tally: Tally) -> None:
    while True:
        await asyncio.sleep(0.1)
        bar.update(task, completed=tally.sent, rate=f"{tally.rate_per_s:,.0f}/s")  # type: ignore[arg-type]


def _signed_url(public_url: str, address: str) -> str:
    """The URL that the receiver expects in signatures: `receiver.public_url` with the path and query of the
    address."""
    parts = urlsplit(address)
    base = public_url.rstrip("/") or f"{parts.scheme}://{parts.netloc}"
    return base + parts.path + (f"?{parts.query}" if parts.query else "")


def _address(url: str, source: str, event_query: str) -> str:
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise SendError(f"--url {url}: not an address; write it like http://127.0.0.1:8080")
    path = parts.path if parts.path.strip("/") else f"/webhooks/{quote(source, safe='')}"
    query = "&".join(part for part in (parts.query, event_query) if part)
    return parts._replace(path=path, query=query, fragment="").geturl()
