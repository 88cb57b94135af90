"""A task of the inspector that removes dead letters beyond `dead.keep_days` and `dead.keep_count`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing

from broker.monitoring.alerts import Alert, raise_alert
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage, repeat
from broker.redis.partitions import Partitions
from inspector.operations.retention import PurgeBusyError, purge
from inspector.settings import DeadSettings
from runtime.fault_log import Faults

BY = "retention"
"""The user in its audit entries."""

EVERY_S = 300.0
"""Seconds between two purges."""

_FAILED = "purge_failed"

log = logging.getLogger("hookline.inspector")


async def run(partitions: Partitions, settings: Callable[[], DeadSettings], *, every_s: float = EVERY_S) -> None:
    """Purge every few minutes until cancelled. `settings` is called each time, as the configuration may change."""

    async def step() -> float:
        await once(partitions, settings(), every_s=every_s)
        return every_s

    faults = Faults(log, "old dead letters were not purged", action=_FAILED)
    await repeat(step, Outage(log, "purging old dead letters", is_secondary=True), faults)


async def once(partitions: Partitions, settings: DeadSettings, *, every_s: float = EVERY_S) -> None:
    """Remove the dead letters that are due. A failed export is logged and raises an alert. Raises BrokerError."""
    if not (settings.keep_days or settings.keep_count):
        return
    try:
        async with aclosing(purge(partitions, settings, by=BY, away={})) as rounds:
            async for purged in rounds:
                if purged.letters:
                    fields = {"action": "dead_letters_purged", "letters": purged.letters, "file": purged.file}
                    log.warning("%d dead letters were purged", purged.letters, extra=fields)
                if purged.unreadable:
                    fields = {"action": "dead_letters_unreadable", "letters": purged.unreadable}
                    log.warning(
                        "%d dead letters cannot be read, so they were not purged", purged.unreadable, extra=fields
                    )
    except PurgeBusyError:
        pass
    except OSError as error:
        reason = f"cannot purge dead letters: cannot export to dead.export_dir: {error.strerror or error}"
        log.error("%s", reason, extra={"action": _FAILED})  # noqa: TRY400 - the disk refused, this is no defect
        await _raise_alert(partitions.control, reason, every_s)


async def _raise_alert(redis: Client, reason: str, every_s: float) -> None:
    # The alert ends by itself, shortly after the last purge that failed.
    now_ms = redis.clock.now_ms()
    alert = Alert(
        kind=_FAILED, source="", since_ms=now_ms, text=reason, ends_ms=now_ms + int(every_s * 1000 * 1.5)
    )
    try:
        await raise_alert(redis, alert, mark_ms=1)
    except BrokerError as error:
        log.warning("cannot raise an alert: %s", error, extra={"action": _FAILED})
