"""Explains a body: the steps of intake and delivery on it, with nothing written and nothing sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct, structs

from broker.dead_letters import StoredDeadLetter
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from sources.event import UNKNOWN, Event
from worker.channels import http
from worker.channels.settings import ChannelSettings, HttpSettings
from worker.intake.decode import DecodedEvent, dead_letter_of, decode_event
from worker.intake.planner import Planner
from worker.outcome import Dead
from worker.preview.preview_messages import Preview, Previewer, notifications_of
from worker.rules.quiet_hours import QuietTimes
from worker.rules.render import Message
from worker.rules.rules import Mismatch, Rule, RuleBook, mismatches
from worker.worker_source import WorkerSource

_PARTS = "\x1f"


class Fault(Struct, frozen=True):
    """Why the body would be a dead letter."""

    reason: str
    """The reason of the dead letter: `undecodable`, or `failed` for a defect of Hookline."""

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
    """The kind of envelope around the payload, as the provider calls it."""

    name: str
    named_by: Literal["body", "header", "url", "nothing"]
    identity: tuple[str, ...]
    """The parts of the identity. They may be ids of persons, so show them only to readers of the body."""

    identity_is_hash: bool
    """Nothing in the body identifies the event, so a hash of the signed content does, white space outside of
    strings excluded."""

    remembered_s: float
    """Seconds since the last event with this identity in which another one is a duplicate."""

    occurred_at_ms: int | None
    """The time of the event (ms since 1970, UTC). Without one, deduplication uses the day of receipt."""

    typed: Typed | None
    """The typed payload; None where the provider has no model of it."""

    payload: Mapping[str, Any]
    """The payload as templates see it."""


class Post(Struct, frozen=True):
    """The request of an HTTP channel."""

    host: str
    """The host alone: a path or a query may contain a token."""

    body: Raw
    """The JSON body, byte for byte."""


class Notified(Struct, frozen=True, kw_only=True):
    """A notification as its channel would get it at the first attempt."""

    channel: str
    channel_kind: str
    key: str
    """The idempotency key of the notification."""

    text: str = ""
    """The rendered text, without what would be looked up: nothing is requested here."""

    to: str = ""
    subject: str = ""
    html: str = ""

    looks_up: tuple[str, ...] = ()
    """The requests to the source's API before it is sent: a method and a path each."""

    needs: str = ""
    """The error of the templates without the API's answer, which may provide what is missing."""

    error: str = ""
    """Why it would be a dead letter instead; empty where it would be sent."""

    post: Post | None = None
    digest: bool = False
    """The rule collects events: this is its notification if no other event joins."""


class RuleOutcome(Struct, frozen=True, kw_only=True):
    """The outcome of a rule for the event."""

    rule: str
    is_enabled: bool = True
    mismatches: tuple[Mismatch, ...] = ()
    """Every reason why the rule does not match the event; empty where it matches."""

    when: str = ""
    """The rule's `when`, for a rule that matches."""

    is_met: bool = True
    """True if `when` is true, or if it fails: then the notifications have the error."""

    quiet_s: int = 0
    """Seconds for which its quiet hours would postpone the notifications."""

    notifications: tuple[Notified, ...] = ()
    """The notifications, one for each channel; empty where the rule does not notify."""


class Explanation(Struct, frozen=True, kw_only=True):
    """The result for a body. Either `fault` or `event` is set."""

    source: str
    source_kind: str
    event_hint: str
    """The event name that the URL gave; empty for none."""

    bytes: int
    dead_letters: int
    """The number of dead letters that it would cause: the body itself, or notifications."""

    items: int = 1
    """How many events the body holds; the first one is explained."""

    refusal: str = ""
    """Why the receiver answers 400 to this body with this event name in the URL; "" where it accepts it."""

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
    items: int = 1,
) -> Explanation:
    """Explain a body of `source` by these rules and channels; refusal: why the receiver does not accept it.

    items: how many events were in the webhook that this event is from. The event may be of any age: samples are
    often old.
    """
    sources = {body.source: source}
    explanation = Explanation(
        source=body.source,
        source_kind=source.kind.name,
        event_hint=body.event_hint,
        bytes=len(body.body),
        dead_letters=1,
        refusal=refusal,
        items=items,
    )
    try:
        event = _described(decode_event(body, sources, any_age=True))
    except Exception as error:  # noqa: BLE001 - intake makes a dead letter of a body that trips a defect
        return structs.replace(explanation, fault=_fault(dead_letter_of(body, sources, error)))
    matched = Planner(sources, RuleBook(rules), max_deliveries=1).plan_body(body, any_age=True)
    if isinstance(matched, StoredDeadLetter):
        return structs.replace(explanation, fault=_fault(matched))
    previewer, quiet = Previewer(sources, rules, channels), QuietTimes(rules)
    by_rule: dict[str, tuple[Notified, ...]] = {}
    for channel, notification in notifications_of(matched):
        notified = _notified(notification, channel, previewer, channels[channel])
        by_rule[notification.rule] = (*by_rule.get(notification.rule, ()), notified)
    return structs.replace(
        explanation,
        dead_letters=sum(1 for rule in by_rule.values() for notified in rule if notified.error),
        event=event,
        rules=tuple(_outcome(rule, body, event.name, quiet, by_rule.get(rule.name, ())) for rule in rules),
    )


def _fault(stored_letter: StoredDeadLetter) -> Fault:
    letter = stored_letter.letter
    return Fault(letter.reason, letter.error, letter.path or "$")


def _described(decoded: DecodedEvent) -> Decoded:
    event = decoded.event
    return Decoded(
        kind=event.kind,
        name=event.name,
        named_by=_named_by(decoded.kind.event, decoded.body, event),
        identity=tuple(event.identity.split(_PARTS)),
        identity_is_hash=event.remember_s is not None,
        remembered_s=decoded.mark.window_ms / 1000,
        occurred_at_ms=event.occurred_at_ms,
        typed=_typed(event.data),
        payload=decoded.kind.view(decoded.body.body),
    )


def _named_by(
    decode: Callable[[bytes, str, str], Event], body: RawBody, event: Event
) -> Literal["body", "header", "url", "nothing"]:
    """The source of the event's name: decoding with another name in the URL shows whether the URL decides."""
    if body.headers and decode(body.body, body.event_hint, "").name != event.name:
        return "header"
    if body.event_hint:
        other = body.event_hint + "?"
        return "url" if decode(body.body, other, body.headers).name == other else "body"
    return "nothing" if event.name == UNKNOWN else "body"


def _typed(data: Any) -> Typed | None:
    if not isinstance(data, Struct):
        return None
    return Typed(type(data).__name__, msgspec.to_builtins(data))


def _outcome(
    rule: Rule, body: RawBody, event: str, quiet: QuietTimes, notified: tuple[Notified, ...]
) -> RuleOutcome:
    reasons = mismatches(rule, body.source, event)
    if reasons or not rule.enabled:
        return RuleOutcome(rule=rule.name, is_enabled=rule.enabled, mismatches=reasons)
    return RuleOutcome(
        rule=rule.name,
        when=rule.when,
        is_met=bool(notified),
        quiet_s=quiet.left_s(rule.name, body.received_at_ms / 1000),
        notifications=notified,
    )


def _notified(
    notification: Notification, channel: str, previewer: Previewer, settings: ChannelSettings
) -> Notified:
    notified = Notified(
        channel=channel,
        channel_kind=str(settings.__struct_config__.tag),
        key=notification.key,
        digest=notification.digest,
    )
    match previewer.preview(notification, channel):
        case Dead(error=error):
            return structs.replace(notified, error=error)
        case Preview(message=message) as preview:
            post = _post(settings, message) if message and isinstance(settings, HttpSettings) else None
            return structs.replace(notified, post=post, **preview.fields())
    return notified


def _post(settings: HttpSettings, message: Message) -> Post:
    return Post(urlsplit(settings.url).hostname or "", Raw(http.posted(message)))
