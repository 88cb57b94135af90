"""The components that a worker creates from the part of its config that can be reloaded.

A job runs to its end with the components with which it began; the next one uses the newest. Old components close
their connections when the last job that uses them has ended.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Mapping

from msgspec import Struct

from broker.history.settings import HistorySettings
from broker.queue.claims import Claimed
from broker.queue.jobs import Packed
from sources.settings import Settings as SourceSettings
from sources.source_kinds import provider_of
from worker.channels.channel import Channel, open_channels
from worker.channels.settings import ChannelSettings
from worker.delivery.attempts import Attempts
from worker.delivery.job_leases import Lease
from worker.delivery.notify import Notifier
from worker.delivery.partition import Partition
from worker.delivery.running_job import Unfinished
from worker.delivery.sender import Sender
from worker.delivery.unrecognized_jobs import ConfiguredNames, UnrecognizedJobs
from worker.enrichment.enrich import Enricher
from worker.rules.quiet_hours import QuietTimes
from worker.rules.render import Renderer
from worker.rules.rules import Rule
from worker.settings import AlertSettings
from worker.worker_context import WorkerContext
from worker.worker_source import WorkerSource

log = logging.getLogger("hookline.worker")


class Setup(Struct, frozen=True, kw_only=True):
    """The part of the config that a running worker can reload."""

    sources: Mapping[str, WorkerSource]
    rules: tuple[Rule, ...]
    channels: Mapping[str, ChannelSettings]
    alerts: AlertSettings = AlertSettings()
    history: HistorySettings = HistorySettings()


def setup_of(
    sources: Mapping[str, SourceSettings],
    rules: tuple[Rule, ...],
    channels: Mapping[str, ChannelSettings],
    alerts: AlertSettings,
    history: HistorySettings = HistorySettings(),  # noqa: B008 - frozen
) -> Setup:
    """The setup with these settings."""
    worker_sources = {name: worker_source(source) for name, source in sources.items()}
    return Setup(sources=worker_sources, rules=rules, channels=channels, alerts=alerts, history=history)


def worker_source(source: SourceSettings) -> WorkerSource:
    """The part of a source's settings that a worker needs."""
    return WorkerSource(
        provider_of(source),
        source.dedupe_window_days,
        source.api,
        source.max_event_age_s,
        source.expect_every_s,
    )


def fingerprint(setup: Setup) -> str:
    """A hash that differs between configs: all workers of one installation should run with the same."""
    text = repr((sorted(setup.sources), setup.rules, sorted(setup.channels.items())))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()


class Components:
    """The components for one setup.

    Must be created in the running event loop. Raises ChannelError where a channel cannot be opened.
    """

    def __init__(self, setup: Setup, context: WorkerContext) -> None:
        self.fingerprint = fingerprint(setup)
        self.kinds = kinds = {name: source.kind for name, source in setup.sources.items()}
        self.channels: dict[str, Channel] = open_channels(
            setup.channels, {name: kind.model for name, kind in kinds.items()}
        )
        self._enricher = Enricher(setup.rules, setup.sources)
        configured = ConfiguredNames(kinds, {rule.name for rule in setup.rules}, self.channels)
        sender = Sender(
            kinds, Renderer(setup.rules), self.channels, self._enricher, QuietTimes(setup.rules), context
        )
        self.notifier = Notifier(
            context,
            sender,
            Attempts(
                sender,
                rng=random.Random(),  # noqa: S311 - jitter
                writes_history=setup.history.is_on,
            ),
            UnrecognizedJobs(configured, unrecognized_grace_s=context.settings.unrecognized_grace_s),
        )
        self._jobs = 0
        self._is_retired = False
        # Last, so that a setup that cannot be opened changes nothing.
        context.channels.reload(setup.channels)

    async def run(self, partition: Partition, claimed: Claimed, packed: Packed, lease: Lease) -> Unfinished | None:
        """Run a job with these components; see `Notifier.run`."""
        self._jobs += 1
        try:
            return await self.notifier.run(partition, claimed, packed, lease)
        finally:
            self._jobs -= 1
            if self._is_retired and not self._jobs:
                await self.close()

    async def retire(self) -> None:
        """Close when the last job has ended; no more jobs may begin."""
        self._is_retired = True
        if not self._jobs:
            await self.close()

    async def close(self) -> None:
        """Close all connections of channels and APIs."""
        for name, channel in self.channels.items():
            try:
                await channel.close()
            except Exception:
                log.exception("channel %s did not close", name, extra={"action": "channel_unclosed"})
        await self._enricher.close()


class ReloadableNotifier:
    """Runs each job with the components that are current when it begins."""

    def __init__(self, components: Components) -> None:
        self._components = components

    async def run(self, partition: Partition, claimed: Claimed, packed: Packed, lease: Lease) -> Unfinished | None:
        """Run a job with the current components; see `Notifier.run`."""
        return await self._components.run(partition, claimed, packed, lease)

    @property
    def fingerprint(self) -> str:
        """The hash of the current config."""
        return self._components.fingerprint

    async def dead_letter_job(self, partition: Partition, job_id: str, error: str) -> bool:
        """Make a dead letter of a job; see `Notifier.dead_letter_job`."""
        return await self._components.notifier.dead_letter_job(partition, job_id, error)

    async def reload(self, components: Components) -> None:
        """Run new jobs with these components, and close the old ones when their last job has ended."""
        old, self._components = self._components, components
        await old.retire()

    async def close(self) -> None:
        """Close the connections of the current components. No job may be running."""
        await self._components.close()
