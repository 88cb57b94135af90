"""When a source causes an alert. Pure: it depends on the source's figures in Redis and on the time.

outage    webhooks have been answered 5xx for two minutes or more, and none was accepted since
refused   webhooks have been answered 4xx for five minutes or more, as often as a provider's retries would be
silence   no webhook was accepted for longer than the source's expect_every_s
disabled  an outage within the last day lasted beyond the provider's last retry
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.monitoring.alerts import Alert
from broker.monitoring.source_health import SourceFacts
from sources.retry_deadline import clock, is_past_the_last_try, tries_used, warning
from worker.worker_source import WorkerSource

OUTAGE, REFUSED, SILENCE, DISABLED = "outage", "refused", "silence", "disabled"
KINDS = (OUTAGE, REFUSED, SILENCE, DISABLED)

OUTAGE_MS = 120_000
REFUSED_MS = 300_000
DISABLED_HOLDS_MS = 86_400_000

_EVERY_MINUTE_S = tuple(60.0 * n for n in range(1, 60))


def source_alerts(name: str, source: WorkerSource, facts: SourceFacts, now_ms: int) -> Iterator[Alert]:
    """The alerts whose condition holds for this source."""
    if facts.failing_since_ms and now_ms - facts.failing_since_ms >= OUTAGE_MS:
        yield _outage(name, source, facts, now_ms)
    if facts.refused_since_ms and _is_refused(source, facts, now_ms):
        yield _refused(name, source, facts, now_ms)
    last_ms = facts.last_accepted_ms or facts.watched_since_ms
    if source.expect_every_s and last_ms and now_ms - last_ms > source.expect_every_s * 1000:
        yield _silence(name, source, last_ms, now_ms)
    ends_ms = facts.outage_until_ms + DISABLED_HOLDS_MS
    if facts.outage_since_ms and now_ms < ends_ms and _was_too_long(source, facts):
        yield _disabled(name, source, facts, ends_ms)


def end_text(alert: Alert, facts: SourceFacts) -> str:
    """The text of an alert whose condition holds no longer."""
    if facts.last_accepted_ms < alert.since_ms:
        return f"{alert.source}: {alert.kind} no longer holds"
    return f"{alert.source}: webhooks are accepted again, the last at {clock(facts.last_accepted_ms)}"


def _is_refused(source: WorkerSource, facts: SourceFacts, now_ms: int) -> bool:
    """Return whether refused webhooks look like a provider's retries, unlike one odd request of another client."""
    # A retry comes after about as long as the webhook has failed.
    age_ms = now_ms - facts.refused_since_ms
    schedule_s = source.kind.retry_schedule_s or _EVERY_MINUTE_S
    often = facts.refused_answers >= tries_used(schedule_s, age_ms / 1000)
    lately = now_ms - facts.refused_last_ms <= age_ms / 2 + 60_000
    return age_ms >= REFUSED_MS and often and lately


def _was_too_long(source: WorkerSource, facts: SourceFacts) -> bool:
    return is_past_the_last_try(source.kind, facts.outage_since_ms, facts.outage_until_ms)


def _outage(name: str, source: WorkerSource, facts: SourceFacts, now_ms: int) -> Alert:
    text = (
        f"{name}: no webhook was accepted since {clock(facts.failing_since_ms)}, {facts.failing_answers} were "
        f"answered with a server error (last {facts.failing_status} at {clock(facts.failing_last_ms)})"
    )
    return Alert(
        kind=OUTAGE,
        source=name,
        since_ms=facts.failing_since_ms,
        text=_with(text, warning(source.kind, facts.failing_since_ms, now_ms)),
        data={"answers": facts.failing_answers, "status": facts.failing_status},
    )


def _refused(name: str, source: WorkerSource, facts: SourceFacts, now_ms: int) -> Alert:
    text = (
        f"{name}: {facts.refused_answers} webhooks were refused since {clock(facts.refused_since_ms)} "
        f"(last {facts.refused_status}) and none was accepted: check its secrets (401) and addresses (403)"
    )
    return Alert(
        kind=REFUSED,
        source=name,
        since_ms=facts.refused_since_ms,
        text=_with(text, warning(source.kind, facts.refused_since_ms, now_ms)),
        data={"answers": facts.refused_answers, "status": facts.refused_status},
    )


def _silence(name: str, source: WorkerSource, last_ms: int, now_ms: int) -> Alert:
    every = f"{source.expect_every_s:g} s"
    text = f"{name}: no webhook was accepted since {clock(last_ms)}, one is expected every {every}"
    advice = source.kind.disabled_advice if is_past_the_last_try(source.kind, last_ms, now_ms) else ""
    return Alert(
        kind=SILENCE,
        source=name,
        since_ms=last_ms,
        text=_with(text, advice),
        data={"expect_every_s": source.expect_every_s},
    )


def _disabled(name: str, source: WorkerSource, facts: SourceFacts, ends_ms: int) -> Alert:
    text = (
        f"{name}: the outage from {clock(facts.outage_since_ms)} to {clock(facts.outage_until_ms)} lasted beyond "
        f"the last retry: {source.kind.disabled_advice}"
    )
    return Alert(
        kind=DISABLED,
        source=name,
        since_ms=facts.outage_since_ms,
        text=text,
        data={"until_ms": facts.outage_until_ms, "answers": facts.outage_answers},
        ends_ms=ends_ms,
    )


def _with(text: str, more: str) -> str:
    return f"{text}; {more}" if more else text
