"""Work that waits: the queue, workers, partitions, channels, webhooks on disk, counters and alerts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from broker.monitoring.alerts import Alert
from broker.queue.channel_state import Channel
from broker.queue.stuck_jobs import StuckJobs
from inspector.formatting import count_of, one_line, span
from inspector.operations.status import Status
from inspector.privacy.masking import DEFAULT
from launcher.commands.doctor.finding import Area, Finding, problem, warning
from worker.settings import AlertSettings

WAITS_S = AlertSettings().queue_age_s
"""How many seconds a webhook or a due notification may wait where alerts.queue_age_s is 0."""

_MORE_WORKERS = (
    "add workers (worker.processes, or another machine), or find out what keeps them busy: `hookline status`"
)


def queue_findings(status: Status, settings: AlertSettings) -> Iterator[Finding]:
    """No worker is alive, or webhooks wait for longer than alerts.queue_age_s."""
    waiting = count_of(status.totals.queued, "webhook")
    if not status.workers:
        yield problem(
            "workers",
            f"no worker is alive, and {waiting} and {count_of(status.totals.waiting, 'notification')} wait",
            "start workers (`hookline worker`) with this redis.url and redis.namespace; if they run, see the logs",
        )
        return
    oldest_ms = status.backlog.oldest_ms
    if oldest_ms > _limit_ms(settings):
        yield problem(
            "queue", f"the oldest webhook has waited for {span(oldest_ms)}; {waiting} in the queue", _MORE_WORKERS
        )


def due_findings(jobs: StuckJobs, readers: int, settings: AlertSettings) -> Iterator[Finding]:
    """Notifications that are due wait for longer than alerts.queue_age_s, although workers are alive."""
    if readers and jobs.late_ms > _limit_ms(settings):
        yield problem("queue", f"a notification that is due has waited for {span(jobs.late_ms)}", _MORE_WORKERS)


def _limit_ms(settings: AlertSettings) -> float:
    return (settings.queue_age_s or WAITS_S) * 1000


def no_reader(count: int) -> Finding:
    """Return the finding about a partition that no worker reads. count: the number of partitions."""
    return problem(
        "partitions",
        "no worker reads it",
        f"restart the workers with redis.partitions = {count}, and see their logs",
    )


def layout_findings(number: int, layout: str | None, count: int) -> Iterator[Finding]:
    """A partition whose data is divided for another number of partitions than `count`."""
    # That of the control partition is compared by `hookline check`.
    if number and layout is not None and layout != str(count):
        yield problem(
            "partitions",
            f"its layout is {one_line(layout, 40)} and not {count}: no event is processed there",
            "run `hookline redis repartition` with this redis.partitions again: it goes on where it was",
        )


def channel_findings(channel: Channel, now_ms: int, settings: AlertSettings) -> Iterator[Finding]:
    """A channel that is paused or fails."""
    name, state = one_line(channel.name, 80), channel.state(now_ms)
    held = f"{count_of(channel.held, 'job')} held"
    if state == "paused":
        since = span(now_ms - channel.paused_since_ms)
        yield warning(
            "channels", f"channel {name} has been paused for {since}, {held}", "run `hookline channel resume NAME`"
        )
        return
    failing_ms = now_ms - channel.failing_since_ms if channel.failing_since_ms else 0
    if state != "closed" or failing_ms > settings.channel_failing_s * 1000 > 0:
        cause = one_line(channel.cause) or "every send fails"
        yield problem(
            "channels",
            f"channel {name} fails, {held}: {cause}",
            "correct the channel's settings or its target, then run `hookline channel probe NAME`",
        )


def spill_findings(status: Status) -> Iterator[Finding]:
    """Webhooks that are on the disks of receivers, and damaged segments."""
    for place, spilled in status.spilled.items():
        where = one_line(place)
        if spilled.bodies:
            yield problem(
                "spill",
                f"{count_of(spilled.bodies, 'webhook')} on disk in {where}, the oldest for "
                f"{span(status.at_ms - spilled.oldest_ms)}",
                "correct what else this reports about Redis: receivers then write them to Redis; if it is well,"
                " start a receiver on that machine with this receiver.spill_dir",
            )
        if spilled.corrupt:
            yield problem(
                "spill",
                f"{count_of(spilled.corrupt, 'damaged segment')} in {where}",
                "check that disk, then rename each file *.corrupt to *.spill to read it again, or delete it: "
                "docs/operations.md",
            )


def counter_findings(status: Status) -> Iterator[Finding]:
    """Counters that do not add up, so that webhooks or notifications may be missing."""
    fix = "find out what else writes or removes keys of the namespace, then compare with the provider"
    if status.waiting.missing:
        counted, there = status.waiting.counted, status.waiting.causes.total()
        counts = f"{counted} notifications are counted as waiting, and {there} are in Redis"
        yield problem("counters", counts, fix)
    if not (status.totals.bodies_add_up() and status.totals.notifications_add_up()):
        yield problem("counters", "the counters do not add up", fix)


_SHOWN_LIVE: dict[str, Area] = {
    "channel_failing": "channels",
    "channel_paused": "channels",
    "clock": "clock",
    "due": "queue",
    "memory": "redis",
    "partition": "redis",
    "queue": "queue",
    "redis": "redis",
    "set_aside": "keys",
    "spill": "spill",
    "workers": "workers",
}
"""The kinds of alerts about what the doctor itself reads, and the area of its findings about it."""

_FIXES = {
    "dead_new": "run `hookline dead groups` and `hookline dead show ID`; replay after the cause is removed",
    "dead_rate": "run `hookline dead groups`; replay after the cause is removed",
    "dead_total": "run `hookline dead groups`; replay, discard or purge them",
    "dead_purged": "set dead.export_dir to export them first, or raise dead.keep_days and dead.keep_count",
    "digests": _MORE_WORKERS,
    "disabled": "enable the webhook at the provider again, and let it send again what is missing",
    "drift": "run `hookline drift`, and adapt rules and templates",
    "outage": "see /readyz and the log of the receivers; then let the provider send again what is missing",
    "refused": "compare secrets, addresses and sizes: run `hookline verify` on a captured request",
    "silence": "check at the provider that the webhook is enabled and that its URL is right",
}


def alert_findings(status: Status, areas: Collection[str]) -> Iterator[Finding]:
    """The active alerts, without those about something for which a finding of the same area is in `areas`."""
    for alert in status.alerts:
        if _SHOWN_LIVE.get(alert.kind) not in areas:
            fix = _FIXES.get(
                alert.kind, "it ends when its cause is gone; see `hookline status` and docs/operations.md"
            )
            yield warning("alert", _text(alert, status.at_ms), fix)


def _text(alert: Alert, now_ms: int) -> str:
    return f"{alert.kind}: {one_line(DEFAULT.text(alert.text), 300)} (for {span(now_ms - alert.since_ms)})"
