"""Schema drift: checks samples of events against the provider's models.

Intake only counts events and keeps a few samples. A task of its own checks them and raises alerts.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Mapping

from msgspec import Struct

from broker.monitoring import drift
from broker.monitoring.drift import Deviation
from broker.redis.client import Client
from broker.redis.outage import Outage, repeat
from runtime.fault_log import Faults
from sources.errors import DecodeError
from sources.provider import Provider
from worker.monitoring.alerts import Alerts

log = logging.getLogger("hookline.worker")

_CHECK_EVERY_S = 5.0
_MAX_SAMPLES = 200
"""Samples that wait for their check; beyond that the oldest are dropped."""

_MAX_NAMES = 10_000
_SHOWN_S = 86_400.0
_NAMED = 5
_REPORTED = ("unknown event", "changed type", "time ahead")


class Sample(Struct, frozen=True):
    """A body to check."""

    source: str
    event: str
    body: bytes


class Drift:
    """Checks the first event of each name that this process processes, and then one in `every`."""

    def __init__(
        self,
        redis: Client,
        kinds: Mapping[str, Provider],
        alerts: Alerts,
        *,
        every: int,
        every_s: float = _CHECK_EVERY_S,
    ) -> None:
        self._redis = redis
        self.reload(kinds)
        self._alerts = alerts
        self._every = every
        self._every_s = every_s
        self._seen: dict[tuple[str, str], int] = {}
        self._future: dict[str, Counter[Deviation]] = {}
        self._samples: deque[Sample] = deque(maxlen=_MAX_SAMPLES)

    def reload(self, kinds: Mapping[str, Provider]) -> None:
        """Check samples of these sources from now on; kinds: the provider of each, by its name."""
        self._kinds = kinds

    def note_event(self, source: str, event: str, body: bytes, is_future: bool = False) -> None:
        """Count an event, and keep some as samples; is_future: its own time is too far in the future."""
        # Called for each event, so it must be cheap.
        if is_future:
            self._count_future(source, event)
        name = (source, event)
        count = self._seen.get(name, 0)
        if count == 0 and len(self._seen) >= _MAX_NAMES:  # names come from outside: stay bounded
            self._seen.clear()
        self._seen[name] = count + 1
        if count % self._every == 0:
            self._samples.append(Sample(source, event, body))

    def _count_future(self, source: str, event: str) -> None:
        counted, deviation = self._future.setdefault(source, Counter()), Deviation(event, "time ahead")
        if deviation in counted or len(counted) < _MAX_SAMPLES:
            counted[deviation] += 1

    async def run(self) -> None:
        """Check the samples every few seconds until cancelled."""
        faults = Faults(log, "samples were not checked for schema drift", action="drift_failed")

        async def step() -> float:
            await self.check()
            return self._every_s

        await repeat(step, Outage(log, "counting schema drift"), faults)

    async def check(self) -> None:
        """Compare the samples with the models. Counts are lost while Redis is away. Raises BrokerError."""
        counts, self._future = self._future, {}
        while self._samples:
            sample = self._samples.popleft()
            if sample.source not in self._kinds:  # the source was removed from the config
                continue
            counts.setdefault(sample.source, Counter()).update(self._deviations(sample))
            await asyncio.sleep(0)
        for source, counted in counts.items():
            await self._raise_alert(source, await drift.note(self._redis, source, counted))

    def _deviations(self, sample: Sample) -> list[Deviation]:
        kind = self._kinds[sample.source]
        seen = [Deviation(sample.event)]
        if kind.event_names and sample.event not in kind.event_names:
            return [*seen, Deviation(sample.event, "unknown event")]
        try:
            payload = kind.view(sample.body)
        except DecodeError:
            return seen
        return seen + [
            Deviation(sample.event, finding.what, finding.path, finding.expected, finding.found)
            for finding in kind.compare(sample.event, payload)
        ]

    async def _raise_alert(self, source: str, fresh: list[Deviation]) -> None:
        """Raise an alert about what may break something: an unknown name, a changed type, a time in the future."""
        sentences = [_sentence(deviation) for deviation in fresh if deviation.what in _REPORTED]
        if not sentences:
            return
        more = f" and {len(sentences) - _NAMED} more" if len(sentences) > _NAMED else ""
        text = f"{source} sends something new: {'; '.join(sentences[:_NAMED])}{more}. See hookline drift."
        await self._alerts.raise_alert("drift", source, text, {"deviations": sentences}, holds_s=_SHOWN_S)


def _sentence(deviation: Deviation) -> str:
    if deviation.what == "unknown event":
        return f"the event {deviation.event}"
    if deviation.what == "time ahead":
        return f"{deviation.event} with a time that is in the future"
    return f"{deviation.event} {deviation.path} is {deviation.found}, not {deviation.expected}"
