"""Tests one rule on one body and really sends: without queue and retries, and without writing to Redis."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from broker.dead_letters import StoredDeadLetter
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from sources.errors import DecodeError
from worker.channels.channel import open_channel, send_once
from worker.channels.errors import ChannelError
from worker.channels.settings import ChannelSettings
from worker.delivery.message_builder import MessageBuilder, undeliverable
from worker.enrichment.enrich import GIVE_UP_AFTER_S, Enriched, Enricher
from worker.intake.digests import payloads_of
from worker.intake.planner import Planner
from worker.outcome import Dead, Outcome, Postponed, Retry
from worker.preview.preview_messages import notifications_of
from worker.rules.render import Renderer, RenderError
from worker.rules.rules import Rule, RuleBook
from worker.worker_source import WorkerSource


class SendResult(Struct, frozen=True):
    """The outcome of one notification."""

    channel: str
    outcome: str
    """`sent`, or what delivery would do: `retry`, `postponed`, or the reason of a dead letter."""

    error: str = ""
    answer: str = ""
    """The receiver's answer, shortened."""


async def send_test(
    rule: Rule, body: RawBody, source: WorkerSource, channels: Mapping[str, ChannelSettings]
) -> tuple[SendResult, ...]:
    """Send the notifications that a rule makes of a body, once. Quiet hours, breakers and rates are ignored."""
    sources = {body.source: source}
    matched = Planner(sources, RuleBook((rule,)), max_deliveries=1).plan_body(body, any_age=True)
    if isinstance(matched, StoredDeadLetter):
        return ()
    builder = MessageBuilder({body.source: source.kind}, Renderer((rule,)), max_future_s=0.0)
    enricher = Enricher((rule,), sources)
    try:
        return tuple(
            [
                _result(channel, await _send(notification, builder, enricher, channels[channel], source))
                for channel, notification in notifications_of(matched)
            ]
        )
    finally:
        await enricher.close()


async def _send(
    notification: Notification,
    builder: MessageBuilder,
    enricher: Enricher,
    settings: ChannelSettings,
    source: WorkerSource,
) -> Outcome:
    name = notification.body.source
    try:
        enriched = None
        if enricher.looks_up(notification.rule):
            payload = payloads_of(notification, source.kind)[-1]
            answer = await enricher.enrich(notification.rule, name, payload, give_up_after_s=GIVE_UP_AFTER_S)
            if not isinstance(answer, Enriched):
                return answer
            enriched = answer
        message = builder.message(notification, enriched, attempt=1)
        channel = open_channel(settings, {name: source.kind.model})
    except (RenderError, DecodeError) as error:
        return undeliverable(error)
    except ChannelError as error:
        return Dead(reason="misconfigured", error=f"{error.setting}: {error}", error_class=type(error).__name__)
    try:
        return await send_once(channel, message)
    finally:
        await channel.close()


def _result(channel: str, outcome: Outcome) -> SendResult:
    match outcome:
        case Retry(error=error, answer=answer):
            return SendResult(channel, "retry", error, answer)
        case Dead(reason=reason, error=error, answer=answer):
            return SendResult(channel, reason, error, answer)
        case Postponed():
            return SendResult(channel, "postponed", f"the lookups took longer than {GIVE_UP_AFTER_S:g} s")
        case _:
            return SendResult(channel, "sent")
