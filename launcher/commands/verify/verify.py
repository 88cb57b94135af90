"""`hookline verify`: checks a captured request, and shows the step that fails."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec
import typer
from msgspec import Struct

from launcher.commands.body_file import SourceOption, source_name
from launcher.commands.signing_secret import SigningError, signing_secret
from launcher.commands.verify.captured_request import CapturedRequest, CaptureError, parse_moment, read_captured
from launcher.commands.verify.diagnosis import Step, Subject, diagnose
from launcher.config.config import Config
from runtime.terminal_text import one_line, printable_json
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.source_kinds import provider_of
from sources.url_event import UrlEvents

_PREFIX = "/webhooks/"


class Report(Struct, frozen=True):
    """The outcome of all checks."""

    source: str
    kind: str
    is_verified: bool
    steps: tuple[Step, ...]


def verify(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Captured request: text of curl -v, raw HTTP, HAR or JSON.", show_default=False
        ),
    ],
    *,
    source: SourceOption = "",
    body: Annotated[
        Path | None, typer.Option(help="File with the body, which curl -v does not show.", show_default=False)
    ] = None,
    at: Annotated[
        str,
        typer.Option(help="Time of receipt, as seconds since 1970 or ISO 8601; default: from FILE, else now."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a captured request step by step, and show why it would be rejected.

    Tries known changes of the body, such as JSON that a proxy has written again, and names the one that fits.
    Shows no secret and no expected signature. Needs no Redis and sends nothing. Exit code 1 if the request does
    not verify.

    A JSON file holds method, url, headers, and body or body_base64; received_at is optional.

    Example: hookline verify request.json
    """
    config: Config = ctx.obj.config
    captured = read_captured(file, body, config.receiver.max_body_bytes)
    if captured.body is None:
        raise CaptureError(f"{file}: it does not hold the body: give it with --body FILE")
    name = captured_source(config, captured, source)
    signed = signed_request(config, captured, _moment(at, captured))
    report = _report(config, name, signed, captured.url)
    typer.echo(printable_json(msgspec.json.encode(report)) if as_json else as_text(report))
    raise typer.Exit(0 if report.is_verified else 1)


def captured_source(config: Config, captured: CapturedRequest, source: str) -> str:
    """The source of a request: the option, else the end of its URL, else the only one. Raises CommandLineError."""
    path = unquote(urlsplit(captured.url).path).rstrip("/")
    in_url = path.rpartition(_PREFIX)[2] if _PREFIX in path else ""
    return source_name(config, source or (in_url if in_url in config.sources else ""))


def signed_request(config: Config, captured: CapturedRequest, now_s: float) -> SignedRequest:
    """The parts that a provider signs, with the URL as the receiver builds it."""
    parts = urlsplit(captured.url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    url = config.receiver.public_url.rstrip("/") + path
    return SignedRequest(captured.body or b"", captured.headers, captured.method, url, now_s)


def subject_of(config: Config, source: str) -> Subject:
    """The source with its secrets, and with those of others. Raises SigningError."""
    kind = provider_of(config.sources[source])
    others = {
        name: settings.secrets
        for name, settings in config.sources.items()
        if name != source and settings.kind == config.sources[source].kind and settings.secrets
    }
    settings, secrets = config.sources[source], _secrets(config, source)
    url_events = UrlEvents(source, kind, settings.events, secrets if settings.url_key else ())
    return Subject(kind=kind, secrets=secrets, other_secrets=others, url_events=url_events)


def as_text(report: Report) -> str:
    """The steps and the conclusion, to read."""
    lines = [f"{step.outcome:8}{step.check}: {one_line(step.text)}" for step in report.steps]
    if report.steps[-1].advice:
        lines.append(f"{'':8}{one_line(report.steps[-1].advice)}")
    end = "verified" if report.is_verified else "not verified: the receiver would reject it"
    return "\n".join([f"source  {report.source} ({report.kind})", *lines, end])


def _report(config: Config, source: str, request: SignedRequest, captured_url: str) -> Report:
    steps = diagnose(subject_of(config, source), request, captured_url=captured_url)
    is_verified = all(step.outcome == "ok" for step in steps)
    return Report(source, config.sources[source].kind, is_verified, steps)


def _secrets(config: Config, source: str) -> tuple[Secret, ...]:
    settings = config.sources[source]
    if settings.secrets or not provider_of(settings).authenticates:
        return settings.secrets
    try:
        return (signing_secret(config, source),)
    except SigningError as error:
        raise SigningError(str(error).replace("to sign with", "to verify with")) from None


def _moment(at: str, captured: CapturedRequest) -> float:
    if not at:
        return time.time() if captured.received_s is None else captured.received_s
    try:
        return parse_moment(at)
    except (ValueError, OverflowError):
        raise CaptureError(f"--at {at}: write it like 1800000000 or 2027-01-15T08:00:00Z") from None
