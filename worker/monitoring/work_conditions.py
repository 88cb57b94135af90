"""When work that waits causes an alert. Pure: it depends on the facts in Redis and on the time.

queue            the oldest webhook in the queue has waited for longer than alerts.queue_age_s
due              a notification that is due has waited for a worker for as long
digests          a digest is late for as long
channel_failing  every send through a channel has failed for longer than alerts.channel_failing_s
channel_paused   a channel has been paused for longer than alerts.channel_paused_s
spill            receivers keep webhooks on disk, since Redis does not take them
memory           Redis uses more of its memory limit than alerts.memory_share
workers          no worker is alive: worker_watch.py raises it, since a worker that checks is one that is alive
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from broker.monitoring.alerts import Alert
from broker.queue.channel_state import MOST_COUNTED, Channel
from sources.retry_deadline import clock
from worker.settings import AlertSettings

QUEUE, DUE, DIGESTS = "queue", "due", "digests"
FAILING, PAUSED = "channel_failing", "channel_paused"
SPILL, MEMORY, WORKERS = "spill", "memory", "workers"
KINDS = (QUEUE, DUE, DIGESTS, FAILING, PAUSED, SPILL, MEMORY, WORKERS)

_ENDS = {
    QUEUE: "the queue of webhooks is worked off again",
    DUE: "notifications are sent when they are due again",
    DIGESTS: "digests are sent in time again",
    SPILL: "no webhook is on disk any more: Redis has them all",
    MEMORY: "Redis has enough free memory again",
    WORKERS: "a worker is alive again",
}


class WorkFacts(Struct, frozen=True, kw_only=True):
    """The work that waits in Redis. Times are in ms since 1970, 0 if nothing waits: see `Reportable`."""

    queued_since_ms: int = 0
    due_since_ms: int = 0
    digest_since_ms: int = 0
    channels: Sequence[Channel] = ()
    """The channels with failures, held jobs or a pause."""

    held: Mapping[str, int] = {}
    """How many notifications each of these channels holds, at least."""

    spilled: int = 0
    """Webhooks that receivers keep on disk."""

    memory_used: float = 0.0
    """The share of its memory limit that the fullest Redis uses; 0 without a limit."""


def work_alerts(facts: WorkFacts, settings: AlertSettings, now_ms: int) -> Iterator[Alert]:
    """The alerts whose condition holds."""
    age_ms = settings.queue_age_s * 1000
    for kind, since_ms, text in (
        (QUEUE, facts.queued_since_ms, "the oldest webhook in the queue waits for a worker since {}"),
        (DUE, facts.due_since_ms, "a notification that is due waits for a worker since {}"),
        (DIGESTS, facts.digest_since_ms, "a digest that was to be sent at {} is late"),
    ):
        if age_ms and since_ms and now_ms - since_ms > age_ms:
            more = "; add workers, or find out what keeps them busy: hookline status"
            yield Alert(kind=kind, source="", since_ms=since_ms, text=text.format(clock(since_ms)) + more)
    for channel in facts.channels:
        yield from _channel_alerts(channel, facts.held.get(channel.name, 0), settings, now_ms)
    if facts.spilled:
        text = f"{_count(facts.spilled, 'webhook')} on disk: Redis does not take them, or did not until just now"
        yield Alert(kind=SPILL, source="", since_ms=now_ms, text=text, data={"bodies": facts.spilled})
    if settings.memory_share and facts.memory_used > settings.memory_share:
        text = (
            f"Redis uses {facts.memory_used:.0%} of its memory limit, and refuses webhooks when it is full: give "
            "it more memory, or remove dead letters"
        )
        yield Alert(kind=MEMORY, source="", since_ms=now_ms, text=text, data={"used": facts.memory_used})


def end_text(alert: Alert) -> str:
    """The text of an alert whose condition holds no longer."""
    if alert.kind == FAILING:
        return f"Channel {alert.source}: notifications are sent again"
    if alert.kind == PAUSED:
        return f"Channel {alert.source} is not paused any more"
    return _ENDS[alert.kind]


def _channel_alerts(channel: Channel, held: int, settings: AlertSettings, now_ms: int) -> Iterator[Alert]:
    least = "at least " if channel.held > MOST_COUNTED else ""
    name, waiting = channel.name, f"{least}{_count(held, 'notification')} held" if held else "none is held"
    since_ms, limit_s = channel.paused_since_ms, settings.channel_paused_s
    if limit_s and since_ms and now_ms - since_ms > limit_s * 1000:
        text = f"Channel {name}: paused since {clock(since_ms)}, {waiting}; resume it with hookline channel resume"
        yield Alert(kind=PAUSED, source=name, since_ms=since_ms, text=text, data={"held": held})
    since_ms, limit_s = channel.failing_since_ms, settings.channel_failing_s
    if limit_s and since_ms and now_ms - since_ms > limit_s * 1000:
        text = f"Channel {name}: {channel.cause or 'every send fails'}, {waiting} since {clock(since_ms)}"
        data = {"held": held, "failures": channel.failures, "cause": channel.cause}
        yield Alert(kind=FAILING, source=name, since_ms=since_ms, text=text, data=data)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
