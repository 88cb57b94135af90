"""The counters of one worker process: plain numbers, which a scrape of /metrics turns into metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from broker.monitoring.series import LATENCY_S, QUEUE_AGE_S
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from runtime.metrics.declaration import Histogram

ATTEMPT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_MOST_SERIES = 5000
_OTHER = "(other)"
"""The rule under which notifications count beyond _MOST_SERIES, such as after very many reloads of the config."""


class Counters:
    """All counts since the start of the process."""

    def __init__(self) -> None:
        self.bodies = {"processed": 0, "duplicate": 0, "dead_at_intake": 0}
        """Bodies that this process committed, by outcome."""

        self.queue_age_s = Histogram(QUEUE_AGE_S)
        """Seconds from the write of a batch to Redis until intake read it, for each of its bodies."""

        self.source_age_s: dict[str, Histogram] = {}
        """Seconds from the write of a batch until intake read it, by the source of its bodies."""

        self.notifications: dict[tuple[str, str, str], int] = {}
        """Settled notifications by rule, channel and outcome."""

        self.attempt_s: dict[tuple[str, str], Histogram] = {}
        """Seconds that an attempt took, by channel and outcome."""

        self.latency_s: dict[str, Histogram] = {}
        """Seconds from the receipt of the webhook until its notification was sent, by channel."""

    def note_batch(self, age_ms: int, bodies: Sequence[RawBody]) -> None:
        """Count the bodies of a batch by their sources, with the ms from its write until it was read."""
        for source, count in Counter([body.source for body in bodies]).items():
            ages = self.source_age_s.get(source) or self.source_age_s.setdefault(source, Histogram(QUEUE_AGE_S))
            ages.observe(max(0, age_ms) / 1000, count)

    def note_sent(self, channel: str, sent: Sequence[tuple[Notification, int]], now_ms: int) -> None:
        """Count notifications that were sent until now, each with the ms that its attempt took.

        A digest has no latency, since it waits for the end of its window.
        """
        attempts = self._attempts(channel, "sent")
        latency = self.latency_s.get(channel) or self.latency_s.setdefault(channel, Histogram(LATENCY_S))
        # Those that were sent together took about as long, and many came in one batch.
        for took_ms, count in Counter([took_ms for _, took_ms in sent]).items():
            attempts.observe(took_ms / 1000, count)
        received = [notification.body.received_at_ms for notification, _ in sent if not notification.digest]
        for received_at_ms, count in Counter(received).items():
            latency.observe(max(0, now_ms - received_at_ms) / 1000, count)
        for rule, count in Counter([notification.rule for notification, _ in sent]).items():
            self.note_settled(rule, channel, "sent", count)

    def note_failed(self, channel: str, outcome: str, took_ms: int) -> None:
        """Count an attempt that failed: its outcome is retry or dead."""
        self._attempts(channel, outcome).observe(took_ms / 1000)

    def note_settled(self, rule: str, channel: str, outcome: str, count: int = 1) -> None:
        """Count notifications that ended so, or that are to be tried again."""
        key = (rule, channel, outcome)
        counts = self.notifications
        if key not in counts and len(counts) >= _MOST_SERIES:
            key = (_OTHER, _OTHER, outcome)
        counts[key] = counts.get(key, 0) + count

    def _attempts(self, channel: str, outcome: str) -> Histogram:
        key = (channel, outcome)
        return self.attempt_s.get(key) or self.attempt_s.setdefault(key, Histogram(ATTEMPT_S))
