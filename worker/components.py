"""What a worker makes of that part of its config which can change while it runs.

A job is run to its end with the parts that held when it began, and the next one with those that hold then. Old
parts let go of their connections when the last job that uses them has ended.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Mapping

from msgspec import Struct

from broker.queue.jobs import Claimed, Packed
from sources import KINDS
from sources.settings import Settings as SourceSettings
from worker.channels import Channel, open_channels
from worker.channels.settings import ChannelSettings
from worker.delivery.job_leases import Lease
from worker.delivery.notify import Notifier, Unfinished
from worker.delivery.sender import Sender
from worker.delivery.unrecognized_jobs import Known, UnrecognizedJobs
from worker.enrichment.enrich import Enricher
from worker.rules.quiet_hours import QuietTimes
from worker.rules.render import Renderer
from worker.rules.rules import Rule
from worker.settings import AlertSettings
from worker.worker_context import WorkerContext
from worker.worker_source import WorkerSource

log = logging.getLogger("hookline.worker")


class Setup(Struct, frozen=True, kw_only=True):
    """The config that a worker takes over while it runs."""

    sources: Mapping[str, WorkerSource]
    rules: tuple[Rule, ...]
    channels: Mapping[str, ChannelSettings]
    alerts: AlertSettings = AlertSettings()


def setup_of(
    sources: Mapping[str, SourceSettings],
    rules: tuple[Rule, ...],
    channels: Mapping[str, ChannelSettings],
    alerts: AlertSettings,
) -> Setup:
    """The setup that these settings make."""
    known = {name: worker_source(source) for name, source in sources.items()}
    return Setup(sources=known, rules=rules, channels=channels, alerts=alerts)


def worker_source(source: SourceSettings) -> WorkerSource:
    """What a worker needs to know of a source with these settings."""
    return WorkerSource(
        KINDS[source.kind],
        source.dedupe_window_days,
        source.api,
        source.max_event_age_s,
        source.expect_every_s,
    )


def fingerprint(setup: Setup) -> str:
    """Tells one config from another: workers of one installation run with the same."""
    text = repr((sorted(setup.sources), setup.rules, sorted(setup.channels.items())))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()


class Parts:
    """Made of one setup. To be made in the running event loop. Raises ChannelError where a channel cannot open."""

    def __init__(self, setup: Setup, context: WorkerContext) -> None:
        context.runtimes.configure(setup.channels)
        self.fingerprint = fingerprint(setup)
        self.kinds = kinds = {name: source.kind for name, source in setup.sources.items()}
        self.channels: dict[str, Channel] = open_channels(
            setup.channels, {name: kind.model for name, kind in kinds.items()}
        )
        self._enricher = Enricher(setup.rules, setup.sources)
        known = Known(kinds, {rule.name for rule in setup.rules}, self.channels)
        self.notifier = Notifier(
            context,
            Sender(
                kinds,
                Renderer(setup.rules),
                self.channels,
                self._enricher,
                QuietTimes(setup.rules),
                context,
            ),
            UnrecognizedJobs(
                context.redis, context.name, known, unrecognized_grace_s=context.settings.unrecognized_grace_s
            ),
            rng=random.Random(),  # noqa: S311 - jitter
        )
        self._jobs = 0
        self._is_retired = False

    async def run(self, claimed: Claimed, packed: Packed, lease: Lease) -> Unfinished | None:
        """See `Notifier.run`."""
        self._jobs += 1
        try:
            return await self.notifier.run(claimed, packed, lease)
        finally:
            self._jobs -= 1
            if self._is_retired and not self._jobs:
                await self.close()

    async def retire(self) -> None:
        """No more jobs come: close when the last one has ended."""
        self._is_retired = True
        if not self._jobs:
            await self.close()

    async def close(self) -> None:
        """Close all connections."""
        for name, channel in self.channels.items():
            try:
                await channel.close()
            except Exception:
                log.exception("channel %s did not close", name, extra={"action": "channel_unclosed"})
        await self._enricher.close()


class LiveNotifier:
    """Runs each job with the parts that hold when it begins."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, claimed: Claimed, packed: Packed, lease: Lease) -> Unfinished | None:
        """See `Notifier.run`."""
        return await self._parts.run(claimed, packed, lease)

    @property
    def fingerprint(self) -> str:
        """Of the config that holds now."""
        return self._parts.fingerprint

    async def dead_letter_job(self, job_id: str, error: str) -> bool:
        """See `Notifier.dead_letter_job`."""
        return await self._parts.notifier.dead_letter_job(job_id, error)

    async def follow(self, parts: Parts) -> None:
        """Begin no job with the old parts any more."""
        old, self._parts = self._parts, parts
        await old.retire()

    async def close(self) -> None:
        """Close the connections of the parts that hold now, once no job runs any more."""
        await self._parts.close()
