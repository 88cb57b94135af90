"""What becomes of a body: the steps of intake and notify, with nothing written and nothing sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct, structs

from broker.queue import dedupe
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from worker.channels import http
from worker.channels.settings import ChannelSettings, HttpSettings
from worker.intake.planner import decided
from worker.outcome import Dead
from worker.preview.preview_messages import Draft, Drafter
from worker.rules.event_times import window_ms
from worker.rules.idempotency import idempotency_key
from worker.rules.quiet_hours import QuietTimes
from worker.rules.render import Message
from worker.rules.rules import Mismatch, Route, Rule, mismatches
from worker.templates.template import seen_by_templates
from worker.worker_source import WorkerSource

_PARTS = "\x1f"


class Fault(Struct, frozen=True):
    """Why the body would be a dead letter."""

    reason: str
    """As the dead letter has it: `undecodable`, or `failed` for a defect of ours."""

    error: str
    path: str = "$"
    """The place in the body as a JSON path."""


class Typed(Struct, frozen=True):
    """The struct that an event's payload was checked against."""

    name: str
    fields: dict[str, Any]


class Decoded(Struct, frozen=True, kw_only=True):
    """The event in the body."""

    kind: str
    """How it was wrapped, in the provider's words."""

    name: str
    named_by: Literal["body", "url", "nothing"]
    identity: tuple[str, ...]
    """Its parts. They may be ids of persons: for the eyes of whoever has the body."""

    identity_is_hash: bool
    """Nothing in the body identifies it, so a hash of what is signed does: white space outside strings is not."""

    remembered_s: float
    """Seconds, from when it was last seen, within which the same identity is a duplicate."""

    occurred_at_ms: int | None
    """Its own time (ms since 1970, UTC); without one, the day of receipt counts for deduplication."""

    typed: Typed | None
    """None for a payload that any shape is right for."""

    payload: Mapping[str, Any]
    """What templates see."""


class Post(Struct, frozen=True):
    """The request of an HTTP channel."""

    host: str
    """The host alone: a path or a query may hold a token."""

    body: Raw
    """Its JSON, byte for byte."""


class Notified(Struct, frozen=True, kw_only=True):
    """A notification as its channel would get it at the first attempt."""

    channel: str
    channel_kind: str
    key: str
    """Idempotency key."""

    text: str = ""
    """Without what would be looked up: nothing is asked here."""

    to: str = ""
    subject: str = ""
    html: str = ""

    looks_up: tuple[str, ...] = ()
    """What is asked of the source's API before it is sent: a method and a path each."""

    needs: str = ""
    """What the templates lack as the payload is, where an answer may bring it."""

    error: str = ""
    """Why it would be a dead letter instead; empty where it would be sent."""

    post: Post | None = None


class RuleOutcome(Struct, frozen=True, kw_only=True):
    """What one rule does about the event."""

    rule: str
    is_enabled: bool = True
    mismatches: tuple[Mismatch, ...] = ()
    """Every reason why it is not for this event; none where it matches."""

    when: str = ""
    """The rule's `when`, for a rule that matches."""

    is_met: bool = True
    """Whether `when` is true, or fails, which is told by the notifications."""

    quiet_s: int = 0
    """Seconds for which its quiet hours would put it off."""

    notifications: tuple[Notified, ...] = ()
    """One a channel; none where it does not notify."""


class Explanation(Struct, frozen=True, kw_only=True):
    """All that Hookline makes of a body. Either `fault` or `event` is there."""

    source: str
    source_kind: str
    event_hint: str
    """The event name that the URL gave; empty for none."""

    bytes: int
    dead_letters: int
    """How many it would leave behind: the body itself, or notifications."""

    refusal: str = ""
    """Why the receiver answers 400 to this body with this event name in the URL, so that nothing is kept."""

    fault: Fault | None = None
    event: Decoded | None = None
    rules: tuple[RuleOutcome, ...] = ()


def explain(
    body: RawBody,
    source: WorkerSource,
    rules: tuple[Rule, ...],
    channels: Mapping[str, ChannelSettings],
    *,
    refusal: str = "",
) -> Explanation:
    """Explain a body of `source` under these rules and channels. refusal: why the receiver does not take it."""
    found = _decoded(body, source)
    fault = found if isinstance(found, Fault) else None
    event = found if isinstance(found, Decoded) else None
    outcomes = _Rules(body, source, rules, channels).outcomes(event) if event else ()
    failed = sum(1 for outcome in outcomes for notified in outcome.notifications if notified.error)
    return Explanation(
        source=body.source,
        source_kind=source.kind.name,
        event_hint=body.event_hint,
        bytes=len(body.body),
        dead_letters=1 if fault else failed,
        refusal=refusal,
        fault=fault,
        event=event,
        rules=outcomes,
    )


def _decoded(body: RawBody, source: WorkerSource) -> Decoded | Fault:
    kind = source.kind
    try:
        event = kind.decode(body.body, body.event_hint)
        dedupe.mark(
            body.source,
            event.identity,
            occurred_at_ms=event.occurred_at_ms,
            window_ms=window_ms(source.dedupe_window_days, event),
        )
        return Decoded(
            kind=event.kind,
            name=event.name,
            named_by=_named_by(kind.decode, body, event),
            identity=tuple(event.identity.split(_PARTS)),
            identity_is_hash=event.remember_s is not None,
            remembered_s=window_ms(source.dedupe_window_days, event) / 1000,
            occurred_at_ms=event.occurred_at_ms,
            typed=_typed(event.data),
            payload=kind.view(body.body),
        )
    except DecodeError as error:
        return Fault("undecodable", error.reason, error.path)
    except Exception as error:  # noqa: BLE001 - intake buries what trips a fault of ours, and so it is told here
        return Fault("failed", str(error) or type(error).__name__)


def _named_by(
    decode: Callable[[bytes, str], Event], body: RawBody, event: Event
) -> Literal["body", "url", "nothing"]:
    """Whoever's word counts: another name in the URL would change the event's, or it would not."""
    if body.event_hint:
        other = body.event_hint + "?"
        return "url" if decode(body.body, other).name == other else "body"
    return "nothing" if event.name == UNKNOWN else "body"


def _typed(data: Any) -> Typed | None:
    if not isinstance(data, Struct):
        return None
    return Typed(type(data).__name__, msgspec.to_builtins(data))


class _Rules:
    def __init__(
        self,
        body: RawBody,
        source: WorkerSource,
        rules: tuple[Rule, ...],
        channels: Mapping[str, ChannelSettings],
    ) -> None:
        self._body = body
        self._rules = rules
        self._channels = channels
        self._drafter = Drafter({body.source: source}, rules, channels)
        self._quiet = QuietTimes(rules)

    def outcomes(self, event: Decoded) -> tuple[RuleOutcome, ...]:
        return tuple(self._outcome(rule, event) for rule in self._rules)

    def _outcome(self, rule: Rule, event: Decoded) -> RuleOutcome:
        against = mismatches(rule, self._body.source, event.name)
        if against or not rule.enabled:
            return RuleOutcome(rule=rule.name, is_enabled=rule.enabled, mismatches=against)
        seen = seen_by_templates(event.payload, event=event.name, source=self._body.source)
        routes = list(decided(self._drafter.renderer, list(rule.routes()), seen, _PARTS.join(event.identity)))
        return RuleOutcome(
            rule=rule.name,
            when=rule.when,
            is_met=bool(routes),
            quiet_s=self._quiet.left_s(rule.name, self._body.received_at_ms / 1000),
            notifications=tuple(self._notified(rule, event, *route) for route in routes),
        )

    def _notified(self, rule: Rule, event: Decoded, route: Route, identity: str) -> Notified:
        settings = self._channels[route.channel]
        key = idempotency_key(self._body.source, identity, route.label)
        told = Notified(channel=route.channel, channel_kind=str(settings.__struct_config__.tag), key=key)
        match self._drafter.draft(Notification(key, rule.name, event.name, self._body), route.channel):
            case Dead(error=error):
                return structs.replace(told, error=error)
            case Draft(message=None, looks_up=looks_up, needs=needs):
                return structs.replace(told, looks_up=looks_up, needs=needs)
            case Draft(message=Message() as message, looks_up=looks_up):
                return structs.replace(
                    told,
                    text=message.text,
                    to=message.to,
                    subject=message.subject,
                    html=message.html,
                    looks_up=looks_up,
                    post=_post(settings, message) if isinstance(settings, HttpSettings) else None,
                )
        return told


def _post(settings: HttpSettings, message: Message) -> Post:
    return Post(urlsplit(settings.url).hostname or "", Raw(http.posted(message)))
