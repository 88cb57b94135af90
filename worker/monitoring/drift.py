"""A second look at samples: does the provider still send what the models say?

Intake only counts and keeps a sample now and then; the look itself, and the telling, happen beside it.
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
from broker.redis.errors import BrokerError
from runtime.fault_log import Faults
from sources.errors import DecodeError
from sources.provider import Provider
from worker.monitoring.alerts import Alerts

log = logging.getLogger("hookline.worker")

_EVERY_S = 5.0
_MAX_SAMPLES = 200
"""Samples that wait for their look; further ones are let go."""

_MAX_NAMES = 10_000
_SHOWN_S = 86_400.0
_NAMED = 5
_TOLD = ("unknown event", "changed type", "time ahead")


class Sample(Struct, frozen=True):
    """One body to look at."""

    source: str
    event: str
    body: bytes


class Drift:
    """Samples the first event of each name that this process sees, and every `every`-th after it."""

    def __init__(
        self,
        redis: Client,
        kinds: Mapping[str, Provider],
        alerts: Alerts,
        *,
        every: int,
        every_s: float = _EVERY_S,
    ) -> None:
        self._redis = redis
        self.follow(kinds)
        self._alerts = alerts
        self._every = every
        self._every_s = every_s
        self._seen: dict[tuple[str, str], int] = {}
        self._future: dict[str, Counter[Deviation]] = {}
        self._samples: deque[Sample] = deque(maxlen=_MAX_SAMPLES)

    def follow(self, kinds: Mapping[str, Provider]) -> None:
        """Look at samples of these sources from now on."""
        self._kinds = kinds

    def pass_by(self, source: str, event: str, body: bytes, is_future: bool = False) -> None:
        """Called for each event: nearly always a count and no more. is_future: its own time lies too far ahead."""
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
        counted, found = self._future.setdefault(source, Counter()), Deviation(event, "time ahead")
        if found in counted or len(counted) < _MAX_SAMPLES:
            counted[found] += 1

    async def run(self) -> None:
        """Look at what was sampled, every few seconds. Never ends by itself."""
        faults = Faults(log, "samples were not looked at for schema drift", action="drift_failed")
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)

    async def look(self) -> None:
        """Look at the samples there are. Redis being away costs them, and nothing else."""
        counts, self._future = self._future, {}
        while self._samples:
            sample = self._samples.popleft()
            if sample.source not in self._kinds:  # it was taken out of the config meanwhile
                continue
            counts.setdefault(sample.source, Counter()).update(self._deviations(sample))
            await asyncio.sleep(0)
        try:
            for source, counted in counts.items():
                await self._tell(source, await drift.note(self._redis, source, counted))
        except BrokerError as error:
            log.warning("schema drift was not noted: %s", error, extra={"action": "drift_unnoted"})

    def _deviations(self, sample: Sample) -> list[Deviation]:
        kind = self._kinds[sample.source]
        found = [Deviation(sample.event)]
        if sample.event not in kind.event_names:
            return [*found, Deviation(sample.event, "unknown event")]
        try:
            payload = kind.view(sample.body)
        except DecodeError:
            return found
        return found + [
            Deviation(sample.event, finding.what, finding.path, finding.expected, finding.found)
            for finding in kind.compare(sample.event, payload)
        ]

    async def _tell(self, source: str, fresh: list[Deviation]) -> None:
        """An alert on what may break something: an unknown name, a type that changed, a time in the future."""
        telling = [_sentence(deviation) for deviation in fresh if deviation.what in _TOLD]
        if not telling:
            return
        more = f" and {len(telling) - _NAMED} more" if len(telling) > _NAMED else ""
        text = f"{source} sends what was not seen before: {'; '.join(telling[:_NAMED])}{more}. See hookline drift."
        await self._alerts.raise_alert("drift", source, text, {"deviations": telling}, holds_s=_SHOWN_S)


def _sentence(deviation: Deviation) -> str:
    if deviation.what == "unknown event":
        return f"the event {deviation.event}"
    if deviation.what == "time ahead":
        return f"{deviation.event} with a time of its own that lies in the future"
    return f"{deviation.event} {deviation.path} is {deviation.found}, not {deviation.expected}"
