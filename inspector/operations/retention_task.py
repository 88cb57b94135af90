"""Dead letters are kept as long and as many as the settings say: a task of the inspector's process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from broker.monitoring.alerts import Alert, raise_alert
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.operations.purge import PurgeBusyError, purge
from inspector.settings import DeadSettings

BY = "retention"
"""Who did it, in the audit log."""

EVERY_S = 300.0
_FAILED = "purge_failed"

log = logging.getLogger("hookline.inspector")


async def run(redis: Client, settings: Callable[[], DeadSettings], *, every_s: float = EVERY_S) -> None:
    """Look every few minutes, until cancelled. `settings`: as they are then."""
    while True:
        await once(redis, settings(), every_s=every_s)
        await asyncio.sleep(every_s)


async def once(redis: Client, settings: DeadSettings, *, every_s: float = EVERY_S) -> None:
    """Remove what is due. What keeps it from that is logged and, where Redis is there, an alert; the next look may
    find it mended."""
    if not (settings.keep_days or settings.keep_count):
        return
    try:
        async with aclosing(purge(redis, settings, by=BY)) as rounds:
            async for purged in rounds:
                if purged.letters:
                    fields = {"action": "dead_letters_purged", "letters": purged.letters, "file": purged.file}
                    log.warning("%d dead letters were purged", purged.letters, extra=fields)
                if purged.unreadable:
                    fields = {"action": "dead_letters_unreadable", "letters": purged.unreadable}
                    log.warning("%d dead letters cannot be read and are kept", purged.unreadable, extra=fields)
    except PurgeBusyError:
        pass
    except BrokerError as error:
        log.warning("old dead letters were not purged: %s", error, extra={"action": _FAILED})
    except OSError as error:
        reason = f"old dead letters are not purged: cannot export to dead.export_dir: {error.strerror or error}"
        log.error("%s", reason, extra={"action": _FAILED})  # noqa: TRY400 - an answer of the disk, not a fault
        await _tell_failed(redis, reason, every_s)
    except Exception:
        log.exception("old dead letters were not purged", extra={"action": _FAILED})


async def _tell_failed(redis: Client, reason: str, every_s: float) -> None:
    """It ends by itself, soon after the last look that failed."""
    now_ms = redis.clock.now_ms()
    alert = Alert(
        kind=_FAILED, source="", since_ms=now_ms, text=reason, ends_ms=now_ms + int(every_s * 1000 * 1.5)
    )
    try:
        await raise_alert(redis, alert, mark_ms=1)
    except BrokerError as error:
        log.warning("no alert of that: %s", error, extra={"action": _FAILED})
