"""One rule tried on one body, and really sent: no queue, no retry, nothing written."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from worker.channels import open_channel
from worker.channels.errors import ChannelError
from worker.channels.settings import ChannelSettings
from worker.enrichment.enrich import GIVE_UP_AFTER_S, Enriched, Enricher, message_of
from worker.outcome import Dead, Outcome, PutOff, Retry
from worker.preview.explain import RuleOutcome
from worker.rules.render import Renderer, RenderError
from worker.rules.rules import Rule
from worker.worker_source import WorkerSource


class Tried(Struct, frozen=True):
    """What came of one notification."""

    channel: str
    outcome: str
    """`sent`, or what notify would do: `retry`, `put off`, or the reason of a dead letter."""

    error: str = ""
    answer: str = ""
    """What the other side said, shortened."""


async def try_out(
    rule: Rule,
    body: RawBody,
    source: WorkerSource,
    channels: Mapping[str, ChannelSettings],
    event: str,
    outcome: RuleOutcome,
) -> tuple[Tried, ...]:
    """Send what `outcome` tells of, once: quiet hours, breakers and rates do not hold it back."""
    enriched = await _enriched(rule, body, source)
    if not isinstance(enriched, Enriched):
        return tuple(_tried(notified.channel, enriched) for notified in outcome.notifications)
    renderer = Renderer((rule,))
    tried = []
    for notified in outcome.notifications:
        notification = Notification(notified.key, rule.name, event, body)
        came = await _sent(renderer, notification, enriched, channels[notified.channel], source)
        tried.append(_tried(notified.channel, came))
    return tuple(tried)


async def _enriched(rule: Rule, body: RawBody, source: WorkerSource) -> Enriched | Outcome:
    payload = source.kind.view(body.body)
    enricher = Enricher((rule,), {body.source: source})
    if not enricher.asks(rule.name):
        return Enriched(payload)
    try:
        return await enricher.enrich(rule.name, body.source, source.kind, payload, give_up_after_s=GIVE_UP_AFTER_S)
    finally:
        await enricher.close()


async def _sent(
    renderer: Renderer,
    notification: Notification,
    enriched: Enriched,
    settings: ChannelSettings,
    source: WorkerSource,
) -> Outcome:
    try:
        message = message_of(renderer, notification, enriched, [enriched.payload], attempt=1)
        channel = open_channel(settings, {notification.body.source: source.kind.model})
    except RenderError as error:
        return Dead(reason="render", error=str(error), error_class=type(error).__name__)
    except ChannelError as error:
        return Dead(reason="misconfigured", error=f"{error.setting}: {error}", error_class=type(error).__name__)
    try:
        return await channel.send(message)
    except Exception as error:  # noqa: BLE001 - a fault of a channel is an outcome like others
        return Retry(error=str(error), error_class=type(error).__name__)
    finally:
        await channel.close()


def _tried(channel: str, outcome: Outcome) -> Tried:
    match outcome:
        case Retry(error=error, answer=answer):
            return Tried(channel, "retry", error, answer)
        case Dead(reason=reason, error=error, answer=answer):
            return Tried(channel, reason, error, answer)
        case PutOff():
            return Tried(channel, "put off", f"the looking up took longer than {GIVE_UP_AFTER_S:g} s")
        case _:
            return Tried(channel, "sent")
