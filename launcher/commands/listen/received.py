"""A received webhook: whether it verifies, its events, and the rules that would match. Pure, and its text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from broker.queue.batch import RawBody
from inspector.formatting import count_of, size
from launcher.commands.verify.diagnosis import Step, Subject, diagnose
from launcher.config.config import Config
from runtime.terminal_text import one_line
from sources.signed_request import Answer, SignedRequest
from worker.components import worker_source
from worker.intake.items import expanded
from worker.preview.explain import Explanation, explain

MAX_EVENTS = 10
"""Events of one webhook that are shown."""

_STATUSES = {"method": 405, "encoding": 415, "event in the URL": 400}


class EventLine(Struct, frozen=True):
    """An event, as it is shown."""

    name: str
    identity: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """The rules that would notify, each with its channels."""

    error: str = ""
    """Why the body would become a dead letter instead."""


class Received(Struct, frozen=True, kw_only=True):
    """A request, and the answer to it."""

    source: str
    status: int
    body_bytes: int
    failed: Step | None = None
    """The check that failed; None if the request is verified."""

    is_handshake: bool = False
    events: tuple[EventLine, ...] = ()
    events_in_body: int = 0


def received(
    config: Config, subject: Subject, raw: RawBody, request: SignedRequest, captured_url: str
) -> tuple[Received, Answer | None]:
    """Check and explain a request; returns the answer too if it is a handshake."""
    kind = subject.kind
    probe = kind.handshake(request) if kind.handshake and request.method != "POST" else None
    if probe is not None:
        return _handshake(raw, probe), probe
    failed = next(
        (step for step in diagnose(subject, request, captured_url=captured_url) if step.outcome == "failed"), None
    )
    if failed is not None:
        status = _STATUSES.get(failed.check, 401)
        return Received(source=raw.source, status=status, body_bytes=len(raw.body), failed=failed), None
    answer = kind.handshake(request) if kind.handshake else None
    if answer is not None:
        return _handshake(raw, answer), answer
    items = expanded([(0, raw)], {raw.source: worker_source(config.sources[raw.source])})
    return (
        Received(
            source=raw.source,
            status=kind.success_status,
            body_bytes=len(raw.body),
            events=tuple(_event(config, body) for _, body in items[:MAX_EVENTS]),
            events_in_body=len(items),
        ),
        None,
    )


def lines(report: Received, at: str) -> Iterator[str]:
    """The text of a report; at: the time of day."""
    outcome = "verified" if report.failed is None else "NOT VERIFIED"
    yield f"{at}  {report.source}  {size(report.body_bytes)}  {outcome}, answered {report.status}"
    if report.failed is not None:
        yield f"  {report.failed.check}: {one_line(report.failed.text)}"
        if report.failed.advice:
            yield f"  {one_line(report.failed.advice)}"
    if report.is_handshake:
        yield "  a handshake of the provider, not an event"
    for event in report.events:
        yield f"  event     {one_line(event.name)}"
        if event.error:
            yield f"  dead      {one_line(event.error)}"
            continue
        yield f"  identity  {one_line(' + '.join(event.identity))}"
        yield f"  rules     {one_line(', '.join(event.rules)) or 'no rule matches'}"
    if report.events_in_body > len(report.events):
        yield f"  and {count_of(report.events_in_body - len(report.events), 'more event')}"


def _handshake(raw: RawBody, answer: Answer) -> Received:
    return Received(source=raw.source, status=answer.status, body_bytes=len(raw.body), is_handshake=True)


def _event(config: Config, body: RawBody) -> EventLine:
    source = worker_source(config.sources[body.source])
    explanation = explain(body, source, config.rules, config.channels)
    if explanation.event is None:
        fault = explanation.fault
        return EventLine("unknown", error=f"{fault.error} - at {fault.path}" if fault else "cannot be processed")
    return EventLine(explanation.event.name, explanation.event.identity, tuple(_rules(explanation)))


def _rules(explanation: Explanation) -> Iterator[str]:
    for outcome in explanation.rules:
        channels: Sequence[str] = [notified.channel for notified in outcome.notifications]
        if channels:
            yield f"{outcome.rule} -> {', '.join(channels)}"
